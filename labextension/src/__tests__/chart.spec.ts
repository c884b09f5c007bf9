import {
  dotsPath,
  extentOf,
  linePath,
  marksOf,
  nearest,
  thinned
} from '../chart';

const marks = (...values: number[]) =>
  values.map((value, step) => ({ step, value }));

describe('marksOf', () => {
  it('leaves out where nothing was measured, and what is no number', () => {
    const points = [
      { step: 1, loss: 2 },
      { step: 2 },
      { step: 3, loss: NaN },
      { step: 4, loss: 0, eval_loss: 1 }
    ];
    expect(marksOf(points, 'loss')).toEqual([
      { step: 1, value: 2 },
      { step: 4, value: 0 }
    ]);
    expect(marksOf(points, 'eval_loss')).toEqual([{ step: 4, value: 1 }]);
  });
});

describe('thinned', () => {
  it('keeps a spike in ten thousand marks, and their order', () => {
    const many = marks(...Array.from({ length: 10_000 }, (_, n) => n % 7));
    many[5432] = { step: 5432, value: 99 };
    const few = thinned(many, 100);
    expect(few.length).toBeLessThanOrEqual(100);
    expect(few).toContainEqual({ step: 5432, value: 99 });
    const steps = few.map(({ step }) => step);
    expect(steps).toEqual([...steps].sort((one, other) => one - other));
  });

  it('leaves few as they are', () => {
    const few = marks(3, 2, 1);
    expect(thinned(few)).toBe(few);
  });
});

describe('a line', () => {
  it('fills the drawing, higher values above', () => {
    const all = marks(4, 2, 3);
    const extent = extentOf(all);
    expect(extent).toEqual({ low: 2, high: 4, first: 0, last: 2 });
    expect(extent && linePath(all, extent)).toBe('M0 0L500 100L1000 50');
  });

  it('of one mark is a dot in the middle', () => {
    const one = marks(5);
    const extent = extentOf(one);
    expect(extent && linePath(one, extent)).toBe('M500 50h0');
    expect(extent && dotsPath(one, extent)).toBe('M500 50h0');
  });

  it('of the same value again and again runs through the middle', () => {
    const level = marks(0, 0);
    const extent = extentOf(level);
    expect(extent && linePath(level, extent)).toBe('M0 50L1000 50');
  });

  it('of nothing has no extent', () => {
    expect(extentOf([])).toBeNull();
  });
});

describe('nearest', () => {
  it('finds the mark that a pointer means', () => {
    expect(nearest(marks(9, 8, 7), 1.4)).toEqual({ step: 1, value: 8 });
    expect(nearest([], 1)).toBeUndefined();
  });
});
