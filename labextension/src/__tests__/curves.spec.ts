import { JobCurves } from '../curves';
import type { IPointsPage } from '../tokens';
import { job } from './samples';

const points = jest.fn<Promise<IPointsPage>, [string, number]>();

beforeEach(() => {
  points.mockReset();
  jest.useFakeTimers();
});
afterEach(() => jest.useRealTimers());

const page = (...steps: number[]) =>
  Promise.resolve({ points: steps.map(step => ({ step, loss: 1 / step })) });

const steps = (curves: JobCurves) =>
  curves.of(job('a')).map(({ step }) => step);

describe('JobCurves', () => {
  it('asks for what came since, and never twice for the same', async () => {
    const curves = new JobCurves({ points });
    points.mockReturnValueOnce(page(1, 2)).mockReturnValueOnce(page(3));
    curves.follow(job('a', { rev: 1 }));
    curves.follow(job('a', { rev: 1 }));
    await jest.advanceTimersByTimeAsync(0);
    expect(steps(curves)).toEqual([1, 2]);
    await jest.advanceTimersByTimeAsync(2000);
    curves.follow(job('a', { rev: 2 }));
    await jest.advanceTimersByTimeAsync(2000);
    expect(steps(curves)).toEqual([1, 2, 3]);
    expect(points.mock.calls).toEqual([
      ['a', -1],
      ['a', 2]
    ]);
  });

  it('puts a burst of changes together', async () => {
    const curves = new JobCurves({ points });
    points.mockImplementation((_, after) => page(after + 1));
    for (let rev = 1; rev <= 20; rev++) {
      curves.follow(job('a', { rev }));
      await jest.advanceTimersByTimeAsync(50);
    }
    await jest.advanceTimersByTimeAsync(5000);
    expect(points.mock.calls.length).toBeLessThanOrEqual(3);
  });

  it('begins anew with another attempt', async () => {
    const curves = new JobCurves({ points });
    points.mockReturnValueOnce(page(1, 2, 3)).mockReturnValueOnce(page(1, 2));
    curves.follow(job('a', { rev: 1 }));
    await jest.advanceTimersByTimeAsync(2000);
    curves.follow(job('a', { rev: 2, attempt: 2 }));
    await jest.advanceTimersByTimeAsync(2000);
    expect(steps(curves)).toEqual([1, 2]);
    expect(points).toHaveBeenLastCalledWith('a', -1);
  });

  it('asks again after a failure, with the next change', async () => {
    const curves = new JobCurves({ points });
    points
      .mockReturnValueOnce(Promise.reject(new Error('gone')))
      .mockReturnValueOnce(page(1));
    curves.follow(job('a', { rev: 1 }));
    await jest.advanceTimersByTimeAsync(2000);
    expect(steps(curves)).toEqual([]);
    curves.follow(job('a', { rev: 1 }));
    await jest.advanceTimersByTimeAsync(2000);
    expect(steps(curves)).toEqual([1]);
  });

  it('forgets the jobs that are gone', async () => {
    const curves = new JobCurves({ points });
    points.mockReturnValue(page(1));
    curves.follow(job('a'));
    await jest.advanceTimersByTimeAsync(2000);
    curves.keep(new Set());
    expect(steps(curves)).toEqual([]);
  });
});
