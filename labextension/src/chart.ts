import type { IJobPoint } from './tokens';

/** A figure that can be drawn over the steps of a job. */
export type Figure = Exclude<keyof IJobPoint, 'step' | 'epoch'>;

/** One measured value. */
export interface IMark {
  step: number;
  value: number;
}

/** The part of the plane that a chart shows. */
export interface IExtent {
  low: number;
  high: number;
  first: number;
  last: number;
}

/** The drawing's own units; it is stretched to whatever place there is. */
export const WIDTH = 1000;
export const HEIGHT = 100;

const MOST_MARKS = 400;

/** The values of one figure, where it was measured. */
export function marksOf(points: readonly IJobPoint[], figure: Figure): IMark[] {
  return points.flatMap(({ step, [figure]: value }) =>
    value === undefined || !Number.isFinite(value) ? [] : [{ step, value }]
  );
}

/** Fewer marks of the same look: the lowest and the highest of each stretch. */
export function thinned(marks: IMark[], most = MOST_MARKS): IMark[] {
  if (marks.length <= most) {
    return marks;
  }
  const stretches = Math.floor(most / 2);
  return Array.from({ length: stretches }, (_, number) => {
    const part = marks.slice(
      Math.floor((number * marks.length) / stretches),
      Math.floor(((number + 1) * marks.length) / stretches)
    );
    const byValue = [...part].sort((one, other) => one.value - other.value);
    const ends = [byValue[0], byValue[byValue.length - 1]] as [IMark, IMark];
    return ends.sort((one, other) => one.step - other.step);
  }).flat();
}

/** What a chart of these marks shows; `null` where there are none. */
export function extentOf(marks: readonly IMark[]): IExtent | null {
  if (marks.length === 0) {
    return null;
  }
  const [low, high] = range(marks.map(({ value }) => value));
  const [first, last] = range(marks.map(({ step }) => step));
  // A level line runs through the middle.
  const room = high > low ? 0 : Math.abs(high) / 10 || 1;
  return { low: low - room, high: high + room, first, last };
}

function range(values: number[]): [number, number] {
  return values.reduce<[number, number]>(
    ([low, high], value) => [Math.min(low, value), Math.max(high, value)],
    [Infinity, -Infinity]
  );
}

/** Where a mark stands, in the drawing's units; y points down. */
export function place(mark: IMark, extent: IExtent): [number, number] {
  const { low, high, first, last } = extent;
  const x = last > first ? (mark.step - first) / (last - first) : 0.5;
  return [x * WIDTH, (1 - (mark.value - low) / (high - low)) * HEIGHT];
}

/** The line through the marks as an SVG path; one mark alone is a dot. */
export function linePath(marks: readonly IMark[], extent: IExtent): string {
  const places = marks.map(mark => place(mark, extent).map(short).join(' '));
  return places.length === 1 ? `M${places[0]}h0` : `M${places.join('L')}`;
}

/** A dot for each mark as an SVG path: strokes without length, with round ends. */
export function dotsPath(marks: readonly IMark[], extent: IExtent): string {
  return marks
    .map(mark => `M${place(mark, extent).map(short).join(' ')}h0`)
    .join('');
}

function short(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** The mark at a step, or the nearest one to it. */
export function nearest(
  marks: readonly IMark[],
  step: number
): IMark | undefined {
  return marks.reduce<IMark | undefined>(
    (best, mark) =>
      best && Math.abs(best.step - step) <= Math.abs(mark.step - step)
        ? best
        : mark,
    undefined
  );
}
