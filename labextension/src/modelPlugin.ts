import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';

import { Api } from './api';
import { ClusterModel } from './model';
import { IClusterModel } from './tokens';

/** Provides the cluster's state to every other part. */
export const modelPlugin: JupyterFrontEndPlugin<IClusterModel> = {
  id: 'byzer-lab:model',
  description:
    'Follows the Byzer Lab cluster: deployments, workers, operations, jobs.',
  autoStart: true,
  provides: IClusterModel,
  activate: ({ serviceManager }: JupyterFrontEnd) =>
    new ClusterModel(
      new Api(serviceManager.serverSettings),
      serviceManager.events.stream
    )
};
