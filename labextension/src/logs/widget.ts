import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { ILogLine, ILogPage } from '../tokens';

const FIRST_LINES = 1000;
const LINES_KEPT = 10_000;
const WAIT_S = 20;
const RETRY_MS = 2000;
const RETRY_MAX_MS = 30_000;
/** Within so many pixels of the end the reader counts as following. */
const NEAR_END_PX = 24;

/** Whose log it is and where it comes from. */
export interface ILogSource {
  name: string;
  /** See `Api.logs`. */
  page: (
    after: number,
    waitSeconds: number,
    signal: AbortSignal
  ) => Promise<ILogPage>;
}

/** A log of a deployment or a job. It follows while the reader is at its end and stops when it is hidden. */
export class LogView extends Widget {
  constructor(
    readonly source: ILogSource,
    private readonly _trans: TranslationBundle
  ) {
    super();
    this.addClass('jp-ByzerLab-logs');
    this._lines.tabIndex = 0;
    this._lines.setAttribute('role', 'log');
    this._lines.setAttribute('aria-live', 'off');
    this._status.setAttribute('role', 'status');
    this.node.append(this._lines, this._status);
  }

  override dispose(): void {
    this._following?.abort();
    super.dispose();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._start();
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._start();
  }

  protected override onBeforeHide(message: Message): void {
    super.onBeforeHide(message);
    this._stop();
  }

  protected override onBeforeDetach(message: Message): void {
    super.onBeforeDetach(message);
    this._stop();
  }

  private _start(): void {
    if (!this._following && this.isVisible) {
      this._following = new AbortController();
      void this._follow(this._following.signal);
    }
  }

  private _stop(): void {
    this._following?.abort();
    this._following = null;
  }

  private async _follow(signal: AbortSignal): Promise<void> {
    // The first answer must not wait: an empty log shows as such at once.
    let wait = 0;
    let retry = RETRY_MS;
    while (!signal.aborted) {
      try {
        const { lines, next } = await this.source.page(
          this._next,
          wait,
          signal
        );
        this._next = next;
        this._append(lines);
        this._say(
          this._lines.childElementCount > 0
            ? this._trans.__('Following')
            : this._trans.__('Nothing was written yet')
        );
        wait = WAIT_S;
        retry = RETRY_MS;
      } catch (error) {
        if (signal.aborted) {
          return;
        }
        this._say(error instanceof Error ? error.message : String(error));
        await new Promise(resolve => setTimeout(resolve, retry));
        retry = Math.min(retry * 2, RETRY_MAX_MS);
      }
    }
  }

  private _say(text: string): void {
    if (this._status.textContent !== text) {
      this._status.textContent = text;
    }
  }

  private _append(lines: ILogLine[]): void {
    const view = this._lines;
    const atEnd =
      view.scrollHeight - view.scrollTop - view.clientHeight < NEAR_END_PX;
    view.append(...lines.map(line => lineElement(line)));
    for (let extra = view.childElementCount - LINES_KEPT; extra > 0; extra--) {
      view.firstElementChild?.remove();
    }
    if (atEnd) {
      view.scrollTop = view.scrollHeight;
    }
  }

  private readonly _lines = document.createElement('pre');
  private readonly _status = document.createElement('footer');
  private _next = -FIRST_LINES;
  private _following: AbortController | null = null;
}

function lineElement({ time, worker, text }: ILogLine): HTMLElement {
  const element = document.createElement('div');
  const stamp = document.createElement('span');
  stamp.className = 'jp-ByzerLab-logStamp';
  stamp.textContent = `${new Date(time * 1000).toLocaleTimeString()} ${worker} `;
  element.append(stamp, `${text}\n`);
  return element;
}
