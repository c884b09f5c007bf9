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
