"""The names that others use, with an example of each: the table on the first page of the package.

Examples are for one who has run the quickstart of that page; `tests/test_api_pages.py` runs them in
this order after it.
"""

#: {folder or file of the package: {name: example}}; every name of a folder's face is here.
EXAMPLES = {
    "potential": {
        "potential": "potential(MINIMA)",
        "force": "force(SADDLES)",
        "MINIMA": "MINIMA.round(3)",
        "SADDLES": "SADDLES.round(3)",
        "Potential": "Potential(lambda x, y: (x * x - 1) ** 2 + y * y, box=((-2, -1), (2, 1)))",
        "MUELLER_BROWN": "MUELLER_BROWN(trajectories)",
        "double_well": "double_well().minima",
        "four_wells": "wells = four_wells()",
        "torus": "torus().periodic",
    },
    "states": {"assign_states": "assign_states(trajectories[:, -1])"},
    "simulation": {
        "SimulationConfig": (
            "short = SimulationConfig(beta=1.0, diffusion=1.0, dt=1e-3, stride=20, n_frames=50)"
        ),
        "REGIMES": 'REGIMES["wild"]',
        "START_BOX": "START_BOX.tolist()",
        "sample_starts": "starts = sample_starts(10, seed=2, potential=wells)",
        "simulate": "shown = simulate(short, starts, seed=2, potential=wells)",
        "SimulationState": "_, state = simulate(settings, starts, seed=2, return_state=True)",
        "TrajectoryEscaped": "issubclass(TrajectoryEscaped, Exception)",
        "first_passage_times": (
            "first_passage_times(settings, starts, 3, *DISK_A, max_time=200.0)"
        ),
    },
    "reference": {
        "GridSolver": "coarse = GridSolver(settings.beta, settings.diffusion, grid_step=0.1)",
        "noise_floor": "noise_floor(coarse, settings.frame_time)",
        "label_posterior": "label_posterior(coarse, [0, 1, 10], settings.frame_time)",
    },
    "observer": {
        "IdealObserver": "observer = IdealObserver(settings, n_candidates=200)",
        "ApproximateObserver": "ApproximateObserver(settings).observe(trajectories)",
    },
    "datasets": {
        "make_dataset": 'test = make_dataset(20, "validation", regime=settings)',
        "TrajectorySet": "TrajectorySet.from_arrays(test.trajectories, test.labels)",
        "FreshTrajectories": "stream = FreshTrajectories([(128, 1000)], seed=1)",
        "write_store": 'write_store("stored.zarr", settings, 16, seed=1)',
        "StoredTrajectories": 'stored = StoredTrajectories("stored.zarr", [(128, 16)])',
        "EASY_STARTS": 'make_dataset(5, "train", regime=EASY_STARTS)',
        "SEED_FAMILIES": "list(SEED_FAMILIES)",
        "FINAL_TEST": 'make_dataset(5, "test", FINAL_TEST)',
    },
    "model": {
        "SIZES": "list(SIZES)",
        "TrajectoryConfig": 'config = TrajectoryConfig.of_size("small", n_features=3, n_states=4)',
        "TrajectoryTransformer": "TrajectoryTransformer(config).num_parameters()",
        "load_checkpoint": 'load_checkpoint("small", "checkpoints")',
        "checkpoint_sizes": 'checkpoint_sizes("checkpoints")',
        "weights_digest": "weights_digest(model)",
        "trajectory_loss": "trajectory_loss(torch.zeros(5, 9, 2), torch.ones(5, 9, 2))",
        "total_loss": (
            "total_loss(torch.zeros(5, 9, 2), torch.ones(5, 9, 2), torch.zeros(5, 2), [0] * 5)"
        ),
        "CausalConfig": "CausalConfig(window_length=8)",
        "CausalGenerator": 'CausalGenerator.from_pretrained("checkpoints/causal")',
        "export_classifier": 'export_classifier(model, "classifier.pt")',
        "export_committor": (
            'export_committor(model, (np.zeros(model.config.hidden_size), 0.0), "committor.pt")'
        ),
        "export_collective_variable": (
            'export_collective_variable(torch.nn.Linear(2, 1), 2, "variable.ptc")'
        ),
    },
    "training": {
        "RECIPES": 'RECIPES["small"].learning_rate',
        "TrainingConfig": 'TrainingConfig.for_data("small", data, n_passes=5)',
        "train": 'train(recipe, "runs/quickstart", data=data)',
        "trainings": "list(trainings())",
    },
    "generation": {"generate": "generate(model, trajectories[:1, :100], n_steps=5)"},
    "classification": {"predict_states": "predict_states(model, trajectories[:, 100:200])"},
    "profiles": {"get_profile": 'get_profile("smoke")'},
}
