"""The report of verify_gpu as markdown."""

from pathlib import Path


def write_report(path: Path, document: dict) -> None:
    """Write what the JSON document holds as tables."""
    lines = [f"# {document['engine']} on this machine", ""]
    if "rehearsal" in document["machine"]:
        lines += ["**A rehearsal on the CPU: nothing here holds for a card.**", ""]
    lines += [f"Model: {document['model']}", "", "| machine | |", "|---|---|"]
    lines += [f"| {name} | {value} |" for name, value in document["machine"].items()]
    for name, result in document["steps"].items():
        verdict = "passed" if result["passed"] else "FAILED"
        lines += ["", f"## {name}: {verdict} ({result['seconds']} s)", ""]
        if "reason" in result:
            lines.append(result["reason"])
        for case, figures in result.get("figures", {}).items():
            said = ", ".join(f"{what} {value}" for what, value in figures.items() if value is not None)
            lines.append(f"- {case}: {said}")
    path.write_text("\n".join(lines) + "\n")
