import { formatDuration, formatFigure } from '../format';

describe('formatFigure', () => {
  it.each([
    [0.83124, '0.831'],
    [2.5e-4, '2.5e-4'],
    [2e-5, '2e-5'],
    [0, '0'],
    [12.345, '12.3'],
    [12400.4, '12,400'],
    [1, '1']
  ])('writes %s as %s', (value, text) => {
    expect(formatFigure(value)).toBe(text);
  });
});

describe('formatDuration', () => {
  it.each([
    [0.4, '0 s'],
    [59, '59 s'],
    [60, '1 min'],
    [95, '1 min 35 s'],
    [840, '14 min'],
    [3600, '1 h'],
    [7500, '2 h 5 min'],
    [90000, '1 d 1 h']
  ])('writes %s seconds as %s', (seconds, text) => {
    expect(formatDuration(seconds)).toBe(text);
  });
});
