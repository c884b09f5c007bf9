import type {
  JupyterFrontEnd,
  JupyterFrontEndPlugin
} from '@jupyterlab/application';
import {
  EditorExtensionRegistry,
  IEditorExtensionRegistry
} from '@jupyterlab/codemirror';

import { switching } from './switching';

/** Highlights the SQL of `%%llm_sql` cells. */
export const sqlPlugin: JupyterFrontEndPlugin<void> = {
  id: 'byzer-lab:sql',
  description: 'Highlights Byzer-SQL in cells that begin with %%llm_sql.',
  autoStart: true,
  requires: [IEditorExtensionRegistry],
  activate: (app: JupyterFrontEnd, registry: IEditorExtensionRegistry) => {
    registry.addExtension({
      name: 'byzer-lab:sql',
      factory: ({ model }) =>
        EditorExtensionRegistry.createImmutableExtension(
          switching(model.sharedModel.getSource())
        )
    });
  }
};
