"""The card of the perturbation ladder: do the consistency measures measure consistency?"""

from typing import Any

from analysis.blocks import Block, Bullets, Table, Text, Tone, picture
from analysis.figures_ladder import HeatCell, ladder_figure
from analysis.findings import Findings
from analysis.ladder_record import LadderRecord, ladder_path, read_ladder

# Columns of the figure, as far as they were measured: geometry, colour, detail.
SHOWN = ("sc", "sc_min", "et_max", "pc", "pc_min", "ti", "sh", "loo")
PASSED, FAILED, OPEN = "passed", "failed", "not judged"
TONES: dict[str, Tone] = {PASSED: "good", FAILED: "problem", OPEN: "neutral"}


def ladder_card(findings: Findings) -> list[Block]:
    """The verdict, a heat table of reactions, pass criteria, false alarms, controls and blind spots.

    Raises:
        MflabError: the record cannot be read.
    """
    ladder = read_ladder(ladder_path(findings.sweep.folder))
    return [
        _verdict(ladder),
        *_scope(ladder),
        *_heat(ladder),
        _criteria(ladder),
        _alarms(ladder, ("invariance", "gauge"), "False alarms: changes that leave the views consistent", "alarms"),
        _alarms(ladder, ("control",), "Gross errors that must be refused", "refused"),
        *_sift(ladder),
        _details(ladder),
        Text("What none of these measures sees:"),
        Bullets(tuple(ladder.blind_spots)),
    ]


def _verdict(ladder: LadderRecord) -> Text:
    failed = [one for one in ladder.criteria if one["passed"] is False]
    judged = [one for one in ladder.criteria if one["passed"] is not None]
    if not failed:
        return Text(f"All {len(judged)} criteria that can be judged here hold.", "good")
    return Text(f"{len(failed)} of {len(judged)} criteria fail; the table below names the scenes.", "warn")


def _scope(ladder: LadderRecord) -> list[Block]:
    summary = ladder.summary
    kinds: dict[str, int] = {}
    for scene in ladder.scenes:
        kinds[scene["kind"]] = kinds.get(scene["kind"], 0) + 1
    grey = sum(1 for scene in ladder.scenes if scene["is_grey"])
    sorts = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in kinds.items())
    text = (
        f"{summary['sets']} sets from {summary['scenes']} scenes ({sorts}; {grey} grey) at {summary['width']} px, "
        f"seed {summary['seed']}. Monotone in everything that must react: {_share(summary['monotone_fraction'])} of "
        f"scenes, and {_share(summary['monotone_pairs'])} of all pairs of scene, metric and perturbation. "
        f"False alarms: {_share(summary['false_alarm_rate'])}."
    )
    blocks: list[Block] = [Text(text)]
    if summary["quick"]:
        blocks.append(Text("This is the quick ladder: few scenes and strengths, so shares are coarse.", "warn"))
    return blocks


def _heat(ladder: LadderRecord) -> list[Block]:
    controls = [metric["name"] for metric in ladder.metrics if metric["negative_control"]]
    measured = {metric for _, metric in ladder.reactions}
    metrics = [metric for metric in SHOWN if metric in measured]
    rows: dict[str, str] = {one["name"]: _row_name(one) for one in ladder.of_kind("fault", "camera")}
    cells = {}
    for (perturbation, metric), reaction in ladder.reactions.items():
        if perturbation in rows and metric in (*metrics, *controls):
            cells[rows[perturbation], metric] = HeatCell(reaction.auc, _strength(reaction.smallest))
    figure = ladder_figure(list(rows.values()), metrics, controls, cells)
    power, alarms = _share(ladder.rules["power"]), _share(ladder.rules["false_alarms"])
    left_out = " and ".join(kind.replace("_", " ") for kind in ladder.rules["left_out"])
    text = (
        f"Number: smallest strength that is told from true views of any object in {power} of scenes at {alarms} false "
        f"alarms, – if none is. Colour: area under curve at the highest strength. Scenes left out: {left_out}. "
        "loo is measured at the highest strength only."
    )
    alt = "Heat table of perturbations and metrics with the smallest strength that each metric tells"
    return [picture("ladder", alt, figure), Text(text)]


def _criteria(ladder: LadderRecord) -> Table:
    rows = []
    for one in ladder.criteria:
        verdict = {True: PASSED, False: FAILED, None: OPEN}[one["passed"]]
        limit = f"{'≥' if one['is_minimum'] else '≤'} {one['limit']:g}"
        kinds = ", ".join(f"{kind.replace('_', ' ')} {_number(value)}" for kind, value in one["by_kind"].items())
        failing = ", ".join(one["failing"][:6]) + (" …" if len(one["failing"]) > 6 else "")
        rows.append((one["claim"], _number(one["value"]), limit, verdict, kinds, failing))
    headers = ("criterion", "value", "limit", "verdict", "by kind of scene", "scenes that miss it")
    return Table(headers, tuple(rows), (0, 3, 4, 5), "Pass criteria", tones=TONES)


def _alarms(ladder: LadderRecord, kinds: tuple[str, ...], caption: str, header: str) -> Table:
    rows = [
        (one["name"], one["meaning"], f"{level:g} {one['unit']}".strip(), _share(share))
        for one in ladder.of_kind(*kinds)
        for level, share in zip(one["levels"], one["alarms"], strict=True)
    ]
    return Table(("change", "meaning", "case", header), tuple(rows), (0, 1, 2), caption)


def _sift(ladder: LadderRecord) -> list[Block]:
    rows = tuple(
        (
            f"{row['separation_deg']:.2f}°",
            str(row["pairs"]),
            f"{row['matches']:.1f}",
            *(_share(row[key]) for key in ("inliers", "chance", "passed")),
        )
        for row in ladder.sift
    )
    headers = ("separation", "pairs", "matches", "near the epipolar line", "by chance", "TSED passes")
    caption = "Negative control: SIFT matches of true views with true cameras"
    return [Table(headers, rows, (), caption)]


def _details(ladder: LadderRecord) -> Table:
    controls = {metric["name"] for metric in ladder.metrics if metric["negative_control"]}
    rows = tuple(
        (
            one["name"],
            f"{metric} (negative control)" if metric in controls else metric,
            *(_number(value) for value in (reaction.drop, reaction.auc, reaction.rho)),
            _strength(reaction.smallest),
            _strength(reaction.smallest_paired),
            one["unit"],
        )
        for one in ladder.perturbations
        for (perturbation, metric), reaction in ladder.reactions.items()
        if perturbation == one["name"]
    )
    headers = ("perturbation", "metric", "drop", "area under curve", "rank correlation", "told from", "paired", "unit")
    return Table(headers, rows, (0, 1, 7), fold="All reactions, drops at the highest strength")


def _row_name(one: dict[str, Any]) -> str:
    name = one["name"].replace("_", " ")
    return f"{name} [{one['unit']}]" if one["unit"] else name


def _strength(level: float | None) -> str:
    return "–" if level is None else f"{level:g}"


def _share(value: float | None) -> str:
    return "–" if value is None else f"{100.0 * value:.1f} %"


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"
