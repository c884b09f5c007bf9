import { complain } from './complain';
import type { IClusterModel } from './tokens';

/**
 * Change something, say why it was refused, and fetch what came of it.
 *
 * @param model - The cluster.
 * @param act - Calls the server.
 */
export async function attempt(
  model: IClusterModel,
  act: () => Promise<unknown>
): Promise<void> {
  try {
    await act();
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error));
  }
  await model.pull();
}
