import type { Event } from '@jupyterlab/services';
import { Poll } from '@lumino/polling';
import type { IStream } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import type { IDisposable } from '@lumino/disposable';

import type { Api } from './api';
import { ApiError } from './request';
import { INITIAL_STATE, applyReply, newlyFailed } from './state';
import type { IClusterModel, IClusterState, IOperation } from './tokens';

/** The event with which the server extension says that something changed. */
export const STATE_EVENT = 'https://byzer-lab.dev/events/state/v1';

/** How often to ask without having been nudged: heals a missed event, keeps the server's watch up. */
const SAFETY_NET_MS = 20_000;
const SAFETY_NET_MAX_MS = 60_000;

/**
 * Keeps the state current while somebody looks: a nudge over Jupyter's event bus makes it ask for
 * what changed since its revision. While nobody looks it asks nothing, so that the server may sleep.
 */
export class ClusterModel implements IClusterModel, IDisposable {
  /**
   * @param api - Where the state comes from.
   * @param events - Jupyter's event bus.
   */
  constructor(
    private readonly _api: Pick<Api, 'info' | 'state'>,
    private readonly _events: IStream<unknown, Event.Emission>
  ) {
    this._events.connect(this._onEvent, this);
    this._safetyNet = new Poll({
      name: 'byzer-lab:model',
      factory: () => this._askUntilCurrent(),
      frequency: {
        interval: SAFETY_NET_MS,
        backoff: true,
        max: SAFETY_NET_MAX_MS
      },
      standby: () => !this._watched
    });
  }

  get state(): IClusterState {
    return this._state;
  }

  readonly stateChanged = new Signal<this, IClusterState>(this);

  readonly operationFailed = new Signal<this, IOperation>(this);

  get isDisposed(): boolean {
    return this._safetyNet.isDisposed;
  }

  dispose(): void {
    if (!this.isDisposed) {
      this._events.disconnect(this._onEvent, this);
      this._safetyNet.dispose();
      Signal.clearData(this);
    }
  }

  setWatched(watched: boolean): void {
    const began = watched && !this._watched;
    this._watched = watched;
    if (began) {
      void this.pull();
    }
  }

  async pull(): Promise<void> {
    // A failure is part of the state; whoever pulls reads it there.
    await this._askUntilCurrent().catch(() => undefined);
  }

  /**
   * One request at a time, so that an old answer never overwrites a newer one. A nudge during a
   * request makes for one more: the answer on its way may have missed that change.
   */
  private _askUntilCurrent(): Promise<void> {
    this._outdated = true;
    this._asking ??= (async () => {
      try {
        while (this._outdated) {
          this._outdated = false;
          await this._ask();
        }
      } finally {
        this._asking = null;
      }
    })();
    return this._asking;
  }

  private async _ask(): Promise<void> {
    const before = this._state;
    try {
      if (!this._knowsInfo) {
        const { read_only } = await this._api.info();
        this._knowsInfo = true;
        this._state = { ...this._state, readOnly: read_only };
      }
      const reply = await this._api.state(before.epoch, before.rev);
      this._show(applyReply(this._state, reply, Date.now()));
    } catch (error) {
      // Another version of the extension may come back.
      this._knowsInfo = false;
      const { kind, message } =
        error instanceof ApiError
          ? error
          : new ApiError('server', String(error));
      this._show({ ...this._state, problem: { kind, message } });
      throw error;
    }
    newlyFailed(before, this._state).forEach(operation =>
      this.operationFailed.emit(operation)
    );
  }

  private _show(state: IClusterState): void {
    this._state = state;
    this.stateChanged.emit(state);
  }

  private _onEvent(_: unknown, emission: Event.Emission): void {
    if (emission.schema_id === STATE_EVENT && this._watched) {
      void this.pull();
    }
  }

  private readonly _safetyNet: Poll;
  private _state = INITIAL_STATE;
  private _knowsInfo = false;
  private _watched = false;
  private _outdated = false;
  private _asking: Promise<void> | null = null;
}
