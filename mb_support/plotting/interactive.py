"""Figures to play with in the page: no server, no network, and native, keyboard-friendly controls.

plotly draws; in the book its script comes from the book's own folder, in a live notebook from
plotly's server. Each interactive figure stands beside a static one, which is what gets printed.
"""

import html
import json

import matplotlib as mpl
import numpy as np
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from .style import ATTENTION_CMAP, ENERGY_CMAP, PALETTE, STATE_COLORS, STATE_NAMES, WEIGHT_LABEL

#: More attention is darker; without the dark end, which is lost on a dark page.
_WEIGHTS = [
    mpl.colors.to_hex(mpl.colormaps[ATTENTION_CMAP](place))
    for place in (0.95, 0.8, 0.65, 0.5, 0.35)
]
#: Used in live notebooks only; pages of the book bring their own copy.
_PLOTLY_SERVER = "https://cdn.plot.ly/plotly-4.1.1.min.js"
_LAYOUT = {
    "template": "none",
    "paper_bgcolor": "white",
    "plot_bgcolor": "white",
    "font": {"family": "sans-serif", "size": 13, "color": "#222222"},
    "margin": {"l": 60, "r": 20, "t": 30, "b": 50},
    "showlegend": False,
    "autosize": True,
    "hovermode": False,
}
_PAGE = """
<div class="interactive" id="{name}-box">
<div id="{name}" class="interactive-plot" role="img" aria-label="{alt}"></div>
<div class="interactive-controls">
<button type="button" id="{name}-play">Play</button>
{choice}
<label>{label} <input type="range" id="{name}-step" min="0" max="{last}" value="0"></label>
<output id="{name}-value"></output>
</div>
<script>
(function () {{
  const spec = {spec};
  const marks = {marks};
  const part = (end) => document.getElementById("{name}" + end);
  // redraw: contours vanish without it
  const show = () => {{
    const step = Number(part("-step").value);
    part("-value").textContent = marks[step];
    Plotly.animate("{name}", [part("-choice").value + "/" + step],
      {{mode: "immediate", frame: {{duration: 0, redraw: true}}, transition: {{duration: 0}}}});
  }};
  let timer = null;
  const stop = () => {{ clearInterval(timer); timer = null; part("-play").textContent = "Play"; }};
  // the book's dark pages: light ink on their own ground, and colours of data as they are
  const isBlack = (trace) => trace.line && trace.line.color == "{ink}";
  const black = spec.data.flatMap((trace, n) => isBlack(trace) ? [n] : []);
  const follow = () => {{
    const dark = document.documentElement.dataset.theme == "dark";
    const ink = dark ? "#dddddd" : "#222222", ground = dark ? "rgba(0,0,0,0)" : "white";
    const change = {{paper_bgcolor: ground, plot_bgcolor: ground, "font.color": ink}};
    for (const axis of ["xaxis", "yaxis", "xaxis2", "yaxis2"]) {{
      change[axis + ".color"] = ink;
      change[axis + ".gridcolor"] = dark ? "#444444" : "#eeeeee";
    }}
    if (spec.layout.coloraxis) change["coloraxis.reversescale"] = !dark;
    Plotly.relayout("{name}", change);
    if (black.length) Plotly.restyle("{name}", {{"line.color": dark ? ink : "{ink}"}}, black);
  }};
  const draw = () => {{
    Plotly.newPlot("{name}", spec).then(() => {{ follow(); show(); }});
    const themed = {{attributes: true, attributeFilter: ["data-theme"]}};
    new MutationObserver(follow).observe(document.documentElement, themed);
    part("-step").addEventListener("input", show);
    part("-choice").addEventListener("change", show);
    part("-play").addEventListener("click", () => {{
      if (timer) return stop();
      part("-play").textContent = "Pause";
      timer = setInterval(() => {{
        part("-step").value = (Number(part("-step").value) + 1) % marks.length;
        show();
      }}, 80);
    }});
  }};
  if (window.Plotly) return draw();
  const script = document.createElement("script");
  script.src = "{server}";
  script.onload = draw;
  document.head.appendChild(script);
}})();
</script>
</div>
"""


class InteractiveFigure:
    """A plotly figure with frames, named "choice/step", a slider over them and a play button.

    `alt` says what a reader who cannot see it should know, `marks` what each step is called.
    """

    def __init__(self, figure, name, alt, marks, label, choice_label="", choices=("",)):
        wanted = {f"{choice}/{step}" for choice in choices for step in range(len(marks))}
        missing = wanted - {frame.name for frame in figure.frames}
        if missing:
            raise ValueError(f"figure has no frame named {sorted(missing)[0]!r}")
        self.figure, self.name, self.alt = figure, name, alt
        self.marks, self.label = list(marks), label
        self.choices, self.choice_label = list(choices), choice_label

    def _repr_html_(self):
        spec = json.loads(self.figure.to_json(engine="json"))
        spec["config"] = {"responsive": True, "displaylogo": False, "displayModeBar": False}
        options = "".join(f"<option>{html.escape(choice)}</option>" for choice in self.choices)
        name = f"interactive-{self.name}"  # a heading of the page may be called the same
        select = f'id="{name}-choice">{options}</select>'
        if len(self.choices) == 1:  # nothing to choose from
            choice = f"<select hidden {select}"
        else:
            choice = f"<label>{html.escape(self.choice_label)} <select {select}</label>"
        return _PAGE.format(
            name=name,
            ink=PALETTE["black"],
            alt=html.escape(self.alt, quote=True),
            label=html.escape(self.label),
            choice=choice,
            last=len(self.marks) - 1,
            spec=json.dumps(spec, sort_keys=True).replace("</", "<\\/"),
            marks=json.dumps(self.marks).replace("</", "<\\/"),
            server=_PLOTLY_SERVER,
        )

    def __repr__(self):
        return f"<interactive figure {self.name}>"


def _two_panels():
    # the plane above, something along time below
    figure = make_subplots(rows=2, row_heights=[0.68, 0.32], vertical_spacing=0.14)
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(zeroline=False)
    figure.update_xaxes(title_text="x (reduced length)", row=1, col=1, constrain="domain")
    figure.update_yaxes(title_text="y (reduced length)", row=1, col=1, scaleanchor="x")
    return figure


def _rounded(values, digits=3):
    return np.round(np.asarray(values, dtype=float), digits).tolist()


def _check_trajectory(trajectory):
    trajectory = np.asarray(trajectory)
    if trajectory.ndim != 2 or trajectory.shape[1] != 2 or len(trajectory) < 2:
        raise ValueError(f"trajectory must have shape (n_frames, 2); got {trajectory.shape}")
    return trajectory


def _energy_contours(x, y, energy, highest):
    clipped = np.clip(np.asarray(energy, dtype=float), None, highest)
    return go.Contour(
        x=_rounded(x),
        y=_rounded(y),
        z=_rounded(clipped.T, 1),  # (n_x, n_y) to plotly's rows of y
        colorscale=ENERGY_CMAP.capitalize(),
        ncontours=16,
        showscale=False,
        opacity=0.55,
        hoverinfo="skip",
    )


def animate_particle(trajectory, committor, times, x, y, energy, highest=100.0, tail=25):
    """A particle moving on the potential, with its committor beside it, and `tail` frames of the
    past behind; contours of an (n_x, n_y) energy up to `highest`."""
    trajectory = _check_trajectory(trajectory)
    if not len(trajectory) == len(committor) == len(times):
        raise ValueError(
            "trajectory, committor and times must have equal lengths; got "
            f"{len(trajectory)}, {len(committor)}, {len(times)}"
        )
    figure = _two_panels()
    figure.add_trace(_energy_contours(x, y, energy, highest), row=1, col=1)
    line = {"color": PALETTE["black"], "width": 1}
    figure.add_trace(go.Scatter(x=[], y=[], mode="lines", line=line), row=1, col=1)
    dot = {"size": 12, "color": PALETTE["orange"], "line": {"color": "black", "width": 1.5}}
    figure.add_trace(go.Scatter(x=[], y=[], mode="markers", marker=dot), row=1, col=1)
    path = go.Scatter(x=_rounded(times), y=_rounded(committor), mode="lines", line=line)
    figure.add_trace(path, row=2, col=1)
    figure.add_trace(go.Scatter(x=[], y=[], mode="markers", marker=dot), row=2, col=1)
    figure.frames = [
        go.Frame(
            name=f"/{step}",
            traces=[1, 2, 4],
            data=[
                {"x": _rounded(past[:, 0]), "y": _rounded(past[:, 1])},
                {"x": _rounded(past[-1:, 0]), "y": _rounded(past[-1:, 1])},
                {"x": [round(float(times[step]), 3)], "y": [round(float(committor[step]), 3)]},
            ],
        )
        for step in range(len(trajectory))
        for past in [trajectory[max(0, step - tail) : step + 1]]
    ]
    for level, state in ((0, 0), (1, 1)):
        figure.add_hline(y=level, line={"color": STATE_COLORS[state], "dash": "dot"}, row=2, col=1)
    figure.update_xaxes(title_text="time (reduced)", row=2, col=1)
    figure.update_yaxes(title_text="committor to B", range=[-0.08, 1.08], row=2, col=1)
    figure.update_layout(**_LAYOUT, height=640)
    alt = (
        "Animation. Above, a particle on a contour map of the potential; below, the probability "
        "that it reaches state B before A, along time."
    )
    marks = [f"time {time:.3f}" for time in times]
    return InteractiveFigure(figure, "particle", alt, marks, "Time")


def explore_attention(trajectory, attention, queries, choices, state=None, stride=1):
    """A trajectory coloured by where the model looks from one of its frames.

    `attention` is (n_choices, n_queries, n_frames), rows sum to one; `queries` are numbers in a
    whole trajectory of `stride` times as many frames; `choices` name the first axis, such as "layer
    4".
    """
    trajectory, attention = _check_trajectory(trajectory), np.asarray(attention)
    expected = (len(choices), len(queries), len(trajectory))
    if attention.shape != expected:
        raise ValueError(f"attention must have shape {expected}; got {attention.shape}")
    relative = attention * attention.shape[-1]  # 1 where attention is spread evenly
    highest = float(np.quantile(relative, 0.995))
    figure = _two_panels()
    bar = {  # above the points, or nothing would be left for them on a phone
        "title": {"text": WEIGHT_LABEL, "side": "top"},
        **{"orientation": "h", "y": 1.01, "yanchor": "bottom", "thickness": 12, "len": 1},
    }
    points = {"size": 6, "color": [], "coloraxis": "coloraxis"}
    points["line"] = {"width": 0.6, "color": PALETTE["grey"]}
    scale = {"cmin": 0, "cmax": highest, "colorscale": _WEIGHTS}
    positions = {"x": _rounded(trajectory[:, 0]), "y": _rounded(trajectory[:, 1])}
    cross = {"size": 14, "symbol": "x-thin", "line": {"width": 3, "color": PALETTE["sky"]}}
    figure.add_trace(go.Scatter(**positions, mode="markers", marker=points), row=1, col=1)
    figure.add_trace(go.Scatter(x=[], y=[], mode="markers", marker=cross), row=1, col=1)
    frames = [stride * frame for frame in range(len(trajectory))]
    line = {"color": PALETTE["black"], "width": 1}
    figure.add_trace(go.Scatter(x=frames, y=[], mode="lines", line=line), row=2, col=1)
    look = go.Scatter(x=[], y=[], mode="markers", marker=cross, cliponaxis=False)
    figure.add_trace(look, row=2, col=1)
    figure.frames = [
        go.Frame(
            name=f"{choice}/{step}",
            traces=[0, 1, 2, 3],
            data=[
                {"marker": points | {"color": _rounded(relative[index, step], 2)}},
                {"x": _rounded(trajectory[[query], 0]), "y": _rounded(trajectory[[query], 1])},
                {"y": _rounded(relative[index, step], 2)},
                {"x": [stride * int(query)], "y": _rounded(relative[index, step, [query]], 2)},
            ],
        )
        for index, choice in enumerate(choices)
        for step, query in enumerate(queries)
    ]
    figure.update_yaxes(row=1, col=1, constrain="domain")
    window = [0, frames[-1]]
    figure.update_xaxes(title_text="frame looked at", range=window, row=2, col=1)
    top = 1.05 * float(relative.max())
    figure.update_yaxes(title_text="attention", range=[0, top], row=2, col=1)
    title = f"A trajectory that began in {STATE_NAMES[state]}" if state is not None else ""
    figure.update_layout(
        **_LAYOUT | {"margin": _LAYOUT["margin"] | {"t": 85}},
        height=640,
        title={"text": title, "font": {"size": 14}},
        coloraxis=scale | {"colorbar": bar},
    )
    alt = (
        "Explorer. A trajectory as points in the plane, coloured by how much the chosen frame, "
        "marked by a cross, attends to them; below, the same attention along the frames."
    )
    marks = [f"frame {stride * query}" for query in queries]
    label, choice_label = "Looking frame", "Layer"
    return InteractiveFigure(figure, "attention", alt, marks, label, choice_label, choices)
