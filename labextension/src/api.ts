import type { ServerConnection } from '@jupyterlab/services';

import { requestAPI } from './request';
import type {
  IInfo,
  IJob,
  ILogPage,
  IOperation,
  IPointsPage,
  IStateReply
} from './tokens';

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

  /** Begin to deploy a folder of a model under a name, with every setting at its default. */
  deploy(name: string, modelPath: string): Promise<IOperation> {
    const spec = { name, model_path: modelPath };
    return this._send('POST', 'deployments', { spec });
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
    return this._log(`deployments/${name}/logs`, after, waitSeconds, signal);
  }

  /** The same of a job. */
  jobLog(
    name: string,
    after: number,
    waitSeconds: number,
    signal: AbortSignal
  ): Promise<ILogPage> {
    return this._log(`jobs/${name}/log`, after, waitSeconds, signal);
  }

  /** The points of a job's curves after a step. */
  points(name: string, after: number): Promise<IPointsPage> {
    const query = new URLSearchParams({ after: String(after) });
    return this._get(`jobs/${name}/points?${query}`);
  }

  /** Let a job save what it has and end. */
  stopJob(name: string): Promise<IJob> {
    return this._send('POST', `jobs/${name}/stop`);
  }

  /** Let a job go on from its newest checkpoint. */
  resumeJob(name: string): Promise<IJob> {
    return this._send('POST', `jobs/${name}/resume`);
  }

  /** End a job without saving. */
  cancelJob(name: string): Promise<IJob> {
    return this._send('POST', `jobs/${name}/cancel`);
  }

  /** Forget a job that has ended, and its folder where `files` says so. */
  deleteJob(name: string, files: boolean): Promise<IJob> {
    return this._send('DELETE', `jobs/${name}?files=${files}`);
  }

  private _log(
    endpoint: string,
    after: number,
    waitSeconds: number,
    signal: AbortSignal
  ): Promise<ILogPage> {
    const query = new URLSearchParams({
      after: String(after),
      wait: String(waitSeconds)
    });
    return this._get(`${endpoint}?${query}`, { signal });
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
