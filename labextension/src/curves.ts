import { Signal } from '@lumino/signaling';

import type { Api } from './api';
import { hasEnded } from './jobs';
import type { IJob, IJobPoint } from './tokens';

/** A job's points are asked for no more often than this. */
const PAUSE_MS = 1000;

interface IKnown {
  attempt: number;
  points: readonly IJobPoint[];
  asking: boolean;
  /** The job as it was when it was last asked for. */
  rev: number;
  /** What shall be asked for when the pause is over. */
  next: IJob | null;
}

const NOTHING: readonly IJobPoint[] = [];

/** The curves of the jobs that somebody looks at. */
export class JobCurves {
  constructor(private readonly _api: Pick<Api, 'points'>) {}

  /** Emitted with the job's id. */
  readonly changed = new Signal<this, string>(this);

  /** The points that are known of a job; the same array until there are more. */
  of({ id }: IJob): readonly IJobPoint[] {
    return this._known.get(id)?.points ?? NOTHING;
  }

  /** Fetch what came since, unless the job stands still. */
  follow(job: IJob): void {
    const known = this._known.get(job.id);
    if (!known) {
      this._known.set(job.id, {
        attempt: job.attempt,
        points: NOTHING,
        asking: false,
        rev: -1,
        next: null
      });
      this.follow(job);
    } else if (known.rev !== job.rev) {
      known.next = job;
      void this._ask(known);
    }
  }

  /** Forget the jobs that are gone. */
  keep(ids: ReadonlySet<string>): void {
    for (const id of this._known.keys()) {
      if (!ids.has(id)) {
        this._known.delete(id);
      }
    }
  }

  private async _ask(known: IKnown): Promise<void> {
    if (known.asking) {
      return;
    }
    known.asking = true;
    for (let job = known.next; job; job = known.next) {
      known.next = null;
      known.rev = job.rev;
      try {
        await this._fetch(known, job);
      } catch {
        // The sidebar says by itself that the server is gone; the next change asks again.
        known.rev = -1;
      }
      await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    }
    known.asking = false;
  }

  private async _fetch(known: IKnown, job: IJob): Promise<void> {
    // Another attempt begins at an earlier step than the one before it ended at, and a job that has
    // ended is asked for as a whole, once.
    const anew = known.attempt !== job.attempt || hasEnded(job);
    const before = anew ? NOTHING : known.points;
    const after = before[before.length - 1]?.step ?? -1;
    const { points } = await this._api.points(job.spec.name, after);
    known.attempt = job.attempt;
    if (anew || points.length > 0) {
      known.points = [...before, ...points];
      this.changed.emit(job.id);
    }
  }

  private readonly _known = new Map<string, IKnown>();
}
