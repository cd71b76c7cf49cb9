"""What benchmark_engines measured, as Markdown, as a chart, and in docs/performance.md: all from its JSON document."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

from benchmark_engines_ways import WAYS, YARDSTICK

from embryofrag.engine.contract import LOCATOR, PAIR

DOCS_PAGE = Path(__file__).resolve().parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- benchmark_engines.py: begin -->", "<!-- benchmark_engines.py: end -->"
COLOURS = {"PyTorch": "#8a8a8a", "ONNX Runtime": "#c8691c", "OpenVINO": "#1b5e9e", "grade": "#5aa469"}
MODULE_NAMES = {"a": "A", "b": "B"}


def spread(values: Sequence[float]) -> str:
    """Return the median of the rounds, and the range where there are several.

    >>> spread([0.2, 0.1, 0.4]), spread([12.345])
    ('0.200 (0.100 to 0.400)', '12.3')
    """
    middle = three_digits(median(values))
    least, most = three_digits(min(values)), three_digits(max(values))
    return middle if len(values) == 1 else f"{middle} ({least} to {most})"


def three_digits(value: float) -> str:
    """Return a figure in three digits, never in powers of ten.

    >>> three_digits(1234.5), three_digits(1.5), three_digits(0.01234), three_digits(0.0)
    ('1234', '1.50', '0.0123', '0.0')
    """
    if not value:
        return "0.0"
    num_decimals = next((n for n in range(9) if abs(value) * 10**n >= 99.95), 9)
    return f"{value:.{num_decimals}f}"


def all_modules_s(subject: Mapping, way: str, batch: str) -> list[float]:
    """Return for each round the seconds a frame that all modules take, one after the other."""
    return [sum(times_s) for times_s in zip(*(by[batch] for by in subject["module_s"][way].values()), strict=True)]


def yardstick_s(document: Mapping) -> list[float]:
    """Return for each round the seconds a frame of the way that others are a multiple of, on whole frames.

    They are those of its best batch: eager PyTorch is slower in large ones, which is no merit of the others.
    """
    subject = document["subjects"][0]
    return [min(times_s) for times_s in zip(*(all_modules_s(subject, YARDSTICK, batch)
                                              for batch in batches_of(subject)), strict=True)]  # fmt: skip


def times_faster(document: Mapping, subject: Mapping, way: str, batch: str) -> list[float]:
    """Return for each round how many times faster than the yardstick at its best batch a way is."""
    return divide(yardstick_s(document), all_modules_s(subject, way, batch))


def limit_shares(document: Mapping, subject: Mapping, way: str, batch: str) -> list[float] | None:
    """Return for each round the arithmetic a second as a share of what matrix products reach; None if not measured."""
    libraries = document["products_gflop_per_s"].get(WAYS[way].precision)
    if libraries is None:
        return None
    least_s = [sum(subject["gflop"][way].values()) / max(rates) for rates in zip(*libraries.values(), strict=True)]
    return divide(least_s, all_modules_s(subject, way, batch))


def divide(dividends: Sequence[float], divisors: Sequence[float]) -> list[float]:
    """Divide round by round."""
    return [dividend / divisor for dividend, divisor in zip(dividends, divisors, strict=True)]


def batches_of(subject: Mapping) -> list[str]:
    """Return the batches that were timed, the smallest first."""
    return list(subject["module_s"][YARDSTICK]["a"])


def title_of(subject: Mapping) -> str:
    """Say what a model is and what it looks at."""
    sides_px = subject["input_px"]
    looks = f"whole frames at {sides_px['a']} px"
    if LOCATOR in sides_px:
        looks = f"a {sides_px['a']} px window that a locator finds at {sides_px[LOCATOR]} px"
    width = "" if subject["width"] == 1 else f" of width {subject['width']:g}"
    return f"{subject['model']}: {subject['backbone']}{width}, {looks}"


def to_markdown(document: Mapping) -> str:
    """Return everything a reader needs, without a heading above the third level."""
    parts = [describe_conditions(document)]
    for subject in document["subjects"]:
        parts += [f"### {title_of(subject)}", way_table(document, subject), batch_table(subject)]
        if subject["grade"]:
            parts.append(grade_table(document, subject))
        parts += [f"- {way}: skipped, {reason}" for way, reason in subject["skipped"].items()]
    return "\n\n".join(parts) + "\n"


def describe_conditions(document: Mapping) -> str:
    """Say what the figures hold for, and how fast the machine multiplies matrices."""
    machine, load = document["machine"], document["load"]
    versions = ", ".join(f"{name} {number}" for name, number in machine["versions"].items())
    others = "" if load["share_of_others"] is None else f", others took {load['share_of_others']:.1%} of the cores"
    rates = [
        [precision, library, spread(values)]
        for precision, libraries in document["products_gflop_per_s"].items()
        for library, values in libraries.items()
    ]
    return "\n\n".join(
        [
            f"Measured by `{document['command']}`: median and range of {document['rounds']} rounds.",
            f"{machine['cpu']}, {machine['num_cores']} cores, {' '.join(machine['flags'])}. {versions}, "
            f"Python {machine['python']}, embryofrag {machine['embryofrag']}.",
            f"Load average {load['at_start']:.2f} before and {load['at_end']:.2f} after, its own{others}.",
            table(["matrix products", "library", "GFLOP/s"], rates),
        ]
    )


def way_table(document: Mapping, subject: Mapping) -> str:
    """Every way at the largest batch."""
    batch = batches_of(subject)[-1]
    modules = list(subject["input_px"])
    names = [f"{MODULE_NAMES.get(module, module)}, s" for module in modules]
    rows = []
    for way, by_module in subject["module_s"].items():
        shares = limit_shares(document, subject, way, batch)
        difference = subject["difference"][way]
        rows.append(
            [
                way,
                *(pass_s(by_module, module, batch) for module in modules),
                spread(all_modules_s(subject, way, batch)),
                spread(times_faster(document, subject, way, batch)),
                three_digits(sum(subject["gflop"][way].values())),
                "-" if shares is None else f"{median(shares):.0%}",
                f"{difference['mask_frac']:.3%}, {difference['ratio']:.4f}",
            ]
        )
    whole_px = document["subjects"][0]["input_px"]["a"]
    faster = f"times faster than the first way at {whole_px} px"
    headings = [
        f"a frame, batch {batch}",
        *names,
        "all, s",
        faster,
        "GFLOP",
        "of the limit",
        "mask pixels, ratio differ",
    ]
    return table(headings, rows)


def pass_s(by_pass: Mapping[str, Mapping[str, Sequence[float]]], module: str, batch: str) -> str:
    """Return the seconds of a module; of the two in one pass stand with A.

    >>> by_pass = {"locator": {"1": [0.1]}, "pair": {"1": [0.3]}}
    >>> [pass_s(by_pass, module, "1") for module in ("locator", "a", "b")]
    ['0.100', '0.300 for both', '']
    """
    if module in by_pass:
        return three_digits(median(by_pass[module][batch]))
    return f"{three_digits(median(by_pass[PAIR][batch]))} for both" if module == "a" else ""


def batch_table(subject: Mapping) -> str:
    """All modules by batch."""
    batches = batches_of(subject)
    rows = [[way, *(spread(all_modules_s(subject, way, batch)) for batch in batches)] for way in subject["module_s"]]
    return table(["all modules, s a frame", *(f"batch {batch}" for batch in batches)], rows)


def grade_table(document: Mapping, subject: Mapping) -> str:
    """End to end, beside a plain loop over the files."""
    loop_s = document["eager_loop_s_per_frame"]
    rows = [["PyTorch loop over files, both whole networks", spread(loop_s), "", "1", ""]]
    for way, rounds in subject["grade"].items():
        frame_s = [one["grade_s_per_frame"] for one in rounds]
        with_start_s = [one["grade_with_start_s_per_frame"] for one in rounds]
        faster = spread(divide(loop_s, frame_s))
        outcomes = ", ".join(f"{count} {outcome}" for outcome, count in rounds[0]["counts"].items())
        rows.append([f"`embryofrag grade`, {way}", spread(frame_s), spread(with_start_s), faster, outcomes])
    return table(["end to end", "s a frame", "with start and tables", "times faster than the loop", "outcomes"], rows)


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (headings, ["---"] * len(headings), *rows))


def write_docs(document: Mapping, page: Path = DOCS_PAGE) -> None:
    """Replace what stands between the two markers of the page, and the chart beside it."""
    text = page.read_text(encoding="utf-8")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    chart = page.with_suffix(".png")
    draw_chart(document, chart)
    block = f"![Frames a second of every way]({chart.name})\n\n{to_markdown(document)}"
    page.write_text(f"{before}{BEGIN}\n{block}{END}{after}", encoding="utf-8")


def draw_chart(document: Mapping, path: Path) -> None:
    """Draw frames a second of all modules of every way, and of `grade`, with the range of the rounds, as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    subjects = document["subjects"]
    bars = [chart_bars(document, subject) for subject in subjects]
    heights = [len(one) + 1.2 for one in bars]
    figure = Figure(figsize=(9.0, 0.32 * sum(heights) + 0.5), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(len(subjects), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, subject, rows in zip(panels, subjects, bars, strict=True):
        for place, (_, colour, frames_per_s, note) in enumerate(rows):
            middle = median(frames_per_s)
            whiskers = [[middle - min(frames_per_s)], [max(frames_per_s) - middle]]
            axes.barh(place, middle, color=colour, xerr=whiskers, error_kw={"linewidth": 1, "capsize": 2})
            axes.annotate(note, (max(frames_per_s), place), (5, 0), textcoords="offset points", va="center", fontsize=8)
        axes.set_yticks(range(len(rows)), [name for name, *_ in rows], fontsize=8)
        axes.invert_yaxis()
        axes.margins(x=0.16)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.set_title(title_of(subject), loc="left", x=-0.3, fontsize=9)
    axes.set_xlabel(f"frames a second, batch {batches_of(subjects[0])[-1]}; times faster than {YARDSTICK}, "
                    f"{subjects[0]['input_px']['a']} px, at its best batch", fontsize=8)  # fmt: skip
    figure.savefig(path, dpi=150)


def chart_bars(document: Mapping, subject: Mapping) -> list[tuple[str, str, list[float], str]]:
    """Return name, colour, frames a second of each round, and what is written behind the bar."""
    batch = batches_of(subject)[-1]
    rows = []
    for way in subject["module_s"]:
        library = next((name for name in COLOURS if way.startswith(name)), "PyTorch")
        faster = median(times_faster(document, subject, way, batch))
        frames_per_s = [1 / value for value in all_modules_s(subject, way, batch)]
        rows.append((way, COLOURS[library], frames_per_s, f"x {three_digits(faster)}"))
    for way, rounds in subject["grade"].items():
        frame_s = [one["grade_s_per_frame"] for one in rounds]
        faster = median(divide(document["eager_loop_s_per_frame"], frame_s))
        frames_per_s = [1 / value for value in frame_s]
        rows.append((f"grade, {way}", COLOURS["grade"], frames_per_s, f"x {three_digits(faster)}"))
    return rows
