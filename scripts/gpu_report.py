"""The report of scripts/gpu_check.py in Markdown."""


def key(line):
    return line["precision"], line["work"], line["batch"], line["model"]


def markdown(date, facts, command, tests, lines, emulated):
    out = [f"# Fovea on {facts['GPU']}, {date}", ""]
    if emulated:
        out += ["**A dry run on the emulated GPU: it checks that `make gpu-check` works, its times mean nothing.**", ""]
    out += ["| | |", "|---|---|"] + [f"| {name} | {fact} |" for name, fact in facts.items()] + [f"| command | `{command}` |", ""]
    out += suites(tests) + measurements(lines)
    return "\n".join(out).rstrip() + "\n"


def suites(tests):
    out = ["## Tests", ""]
    if not tests:
        return out + ["Not run.", ""]
    out += ["| suite | result | passed | skipped | failed | seconds |", "|---|---|---|---|---|---|"]
    for row in tests:
        out.append("| {suite} | {result} | {passed} | {skipped} | {failures} | {seconds:.1f} |".format(failures=len(row["failed"]), **row))
    out.append("")
    for row in tests:
        out += [f"- failed: {name}" for name in row["failed"]]
        for reason, names in row["reasons"].items():
            which = names[0] if len(names) == 1 else f"{len(names)}, {names[0]} first"
            out.append(f"- skipped in {row['suite']}: {reason} ({which})")
    return out + [""]


def measurements(lines):
    out = ["## Images per second", ""]
    latest = {key(line): line for line in lines}  # what was tried again
    if not latest:
        return out + ["Not measured.", ""]
    out += ["Medians. Eager is PyTorch with channels_last (autocast for bf16), compiled the same through torch.compile; each was measured in",
            "turns with ours, and the ratios are to ours beside it: above 1 ours is faster. Peak is what our own matrix product reached here.", ""]
    out += ["| work | precision | batch | network | ours | eager | ratio | compiled | ratio | TFLOP/s | of peak |", "|---|---|---|---|---|---|---|---|---|---|---|"]
    ahead, compared, failures = 0, 0, []
    for line in latest.values():
        start = f"| {line['work']} | {line['precision']} | {line['batch']} | {line['model']} |"
        if "error" in line:
            out.append(f"{start} failed: {line['error']} | | | | | | |")
            continue
        cells = [f"{line['median_images_per_s']:.0f}"]
        settings = {s["setting"]: s for s in (line.get("peer") or {}).get("settings", [])}
        for name in ["channels_last", "channels_last, compiled"]:
            s = settings.get(name)
            if s is None:
                cells += ["", ""]
            elif s.get("error"):
                cells += ["failed", ""]
                failures.append(f"- {name}, {line['work']} of {line['model']}, batch {line['batch']}, {line['precision']}: {s['error']}")
            else:
                cells += [f"{s['median_images_per_s']:.0f}", f"{s['ratio']:.2f}"]
                if name == "channels_last":
                    compared += 1
                    ahead += s["ratio"] > 1
        cells += [f"{line['gflops'] / 1000:.3g}", f"{100 * line['peak_fraction']:.0f}%"]
        out.append(start + " " + " | ".join(cells) + " |")
    out.append("")
    if compared:
        out += [f"Ahead of PyTorch eager in {ahead} of {compared}.", ""]
    else:
        out += ["Not compared with PyTorch: see above.", ""]
    if failures:
        out += ["PyTorch failed in:", ""] + failures + [""]
    return out + roofline(latest.values())


def roofline(lines):
    """Each network below the roof: flops per byte are those of a step, every operand read or written once."""
    peaks = {}
    for line in lines:
        if "error" not in line:
            flops, rate = peaks.get(line["precision"], (0, 0))
            peaks[line["precision"]] = max(flops, line["peak_gflops"]), max(rate, line["peak_gb_per_s"])
    if not peaks:
        return []
    out = ["## Roofline", "", "| precision | matrix product, TFLOP/s | copy, GB/s | ridge, FLOP per byte |", "|---|---|---|---|"]
    for precision, (flops, rate) in sorted(peaks.items()):
        out.append(f"| {precision} | {flops / 1000:.4g} | {rate:.4g} | {flops / rate:.0f} |")
    return out + ["", "roofline-PRECISION.svg beside the measurements (bench.jsonl) is the picture of the training steps at the largest batch.", ""]
