import type { ServerConnection } from '@jupyterlab/services';

import { requestAPI } from './request';
import type { IInfo, ILogPage, IOperation, IStateReply } from './tokens';

/** The server extension's endpoints, one method each. */
export class Api {
  constructor(private readonly _settings: ServerConnection.ISettings) {}

  info(): Promise<IInfo> {
    return this._get('info');
  }

  /** Everything when nothing is known yet, else what changed since. */
  state(epoch: string, since: number): Promise<IStateReply> {
    const known = epoch
      ? `?${new URLSearchParams({ epoch, since: String(since) })}`
      : '';
    return this._get(`state${known}`);
  }

  startCluster(): Promise<void> {
    return this._send('POST', 'cluster/start');
  }

  stopCluster(): Promise<void> {
    return this._send('POST', 'cluster/stop');
  }

  /** Requests under way are finished first, unless forced. */
  undeploy(name: string, force: boolean): Promise<IOperation> {
    return this._send('DELETE', `deployments/${name}?force=${force}`);
  }

  scale(name: string, workers: number): Promise<IOperation> {
    return this._send('POST', `deployments/${name}/scale`, { workers });
  }

  cancel(operation: string): Promise<IOperation> {
    return this._send('POST', `operations/${operation}/cancel`);
  }

  /**
   * @param name - The deployment.
   * @param after - Lines after this number; `-N` means the last N.
   * @param waitSeconds - How long the server may wait for a new line.
   * @param signal - Gives the request up.
   */
  logs(
    name: string,
    after: number,
    waitSeconds: number,
    signal: AbortSignal
  ): Promise<ILogPage> {
    const query = new URLSearchParams({
      after: String(after),
      wait: String(waitSeconds)
    });
    return this._get(`deployments/${name}/logs?${query}`, { signal });
  }

  private _get<T>(endpoint: string, init?: RequestInit): Promise<T> {
    return requestAPI<T>(endpoint, this._settings, init);
  }

  private _send<T>(
    method: string,
    endpoint: string,
    body?: object
  ): Promise<T> {
    return requestAPI<T>(endpoint, this._settings, {
      method,
      body: body && JSON.stringify(body)
    });
  }
}
