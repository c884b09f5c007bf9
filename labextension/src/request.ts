import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { IRequestProblem, IWireError } from './tokens';

/** A request to the server extension that came to nothing. */
export class ApiError extends Error implements IRequestProblem {
  /**
   * @param kind - What went wrong: the extension is `missing`, Jupyter refuses this user
   *   (`unauthorized`), the server can't be reached (`network`), Byzer Lab said no in one sentence
   *   (`refused`), or the server broke (`server`).
   * @param message - The sentence to show.
   * @param code - Byzer Lab's error code, where it said no.
   */
  constructor(
    readonly kind: IRequestProblem['kind'],
    message: string,
    readonly code = ''
  ) {
    super(message);
    this.name = 'ApiError';
  }
}

/**
 * Call an endpoint of the server extension.
 *
 * @param endpoint - Path below `byzer-lab/`.
 * @param settings - How to reach the Jupyter server.
 * @param init - Method, body, abort signal.
 * @throws ApiError
 */
export async function requestAPI<T>(
  endpoint: string,
  settings: ServerConnection.ISettings,
  init: RequestInit = {}
): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'byzer-lab') + '/' + endpoint;
  let response: Response;
  try {
    response = await ServerConnection.makeRequest(url, init, settings);
  } catch (error) {
    throw new ApiError('network', String(error));
  }
  const text = await response.text();
  if (response.ok) {
    return JSON.parse(text) as T;
  }
  throw toApiError(response.status, text);
}

/** Tell apart who refused the request, and why. */
export function toApiError(status: number, text: string): ApiError {
  const error = wireErrorIn(text);
  if (error) {
    return new ApiError('refused', error.message, error.code);
  }
  if (status === 404) {
    return new ApiError('missing', text);
  }
  if (status === 401 || status === 403) {
    return new ApiError('unauthorized', text);
  }
  return new ApiError('server', `${status}: ${text.slice(0, 200)}`);
}

function wireErrorIn(text: string): IWireError | null {
  try {
    const error = (JSON.parse(text) as { error?: IWireError }).error;
    return error?.code ? error : null;
  } catch {
    return null;
  }
}
