/** A rate with as many digits as one can read while it changes. */
export function formatRate(value: number): string {
  return value >= 10 || value === 0
    ? String(Math.round(value))
    : value.toFixed(1);
}

/** MiB as a person says it. */
export function formatMemory(mebibytes: number): string {
  return mebibytes >= 1024
    ? `${(mebibytes / 1024).toFixed(1)} GB`
    : `${Math.round(mebibytes)} MB`;
}

/** Any value of a model's meta as one line of text. */
export function formatValue(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The first line, for places where an engine's whole traceback has no room. */
export function firstLine(text: string): string {
  return text.trim().split('\n', 1)[0] ?? '';
}

/** A measured figure with as many digits as say something: `0.831`, `2.5e-4`, `12,400`. */
export function formatFigure(value: number): string {
  const size = Math.abs(value);
  if (size !== 0 && (size < 0.001 || size >= 1e7)) {
    return value.toExponential(1).replace('.0e', 'e').replace('e+', 'e');
  }
  return size >= 1000
    ? Math.round(value).toLocaleString('en')
    : String(Number(value.toPrecision(3)));
}

/** Seconds as a person says them, in at most two units. */
export function formatDuration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) {
    return `${whole} s`;
  }
  const minutes = Math.round(whole / 60);
  if (minutes < 60) {
    return whole < 600 && whole % 60 !== 0
      ? `${Math.floor(whole / 60)} min ${whole % 60} s`
      : `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  const [large, small, units] =
    hours < 24
      ? [hours, minutes % 60, ['h', 'min']]
      : [Math.floor(hours / 24), hours % 24, ['d', 'h']];
  return small === 0
    ? `${large} ${units[0]}`
    : `${large} ${units[0]} ${small} ${units[1]}`;
}
