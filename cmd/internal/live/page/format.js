// Numbers for people.

export function loss(value) {
  return value === undefined ? "" : value.toFixed(4);
}

export function percent(value) {
  return value === undefined ? "" : (100 * value).toFixed(2) + "%";
}

// short is a number of three digits or so, wherever its point is.
export function short(value) {
  if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) {
    return value.toExponential(2).replace(/\.?0+e/, "e");
  }
  return String(Number(value.toPrecision(3)));
}

export function whole(value) {
  return Math.round(value).toLocaleString("en");
}

export function duration(seconds) {
  const total = Math.max(0, Math.round(seconds));
  const parts = [[Math.floor(total / 3600), "h"], [Math.floor(total / 60) % 60, "min"], [total % 60, "s"]];
  const first = parts.findIndex(([n]) => n > 0);
  return first < 0 ? "0 s" : parts.slice(first, first + 2).map(([n, unit]) => n + " " + unit).join(" ");
}
