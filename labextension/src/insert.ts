import { NotebookActions, type NotebookPanel } from '@jupyterlab/notebook';

import { LOAD_MAGICS, loadsMagics } from './cells';

/**
 * Put a code cell below the active one and go there. A notebook that doesn't load the magics gets
 * that cell as well.
 */
export function insertCell(panel: NotebookPanel, source: string): void {
  const notebook = panel.content;
  const sources = notebook.widgets.map(cell => cell.model.sharedModel.source);
  if (!loadsMagics(sources)) {
    insertBelow(panel, LOAD_MAGICS);
  }
  insertBelow(panel, source);
  notebook.activate();
}

function insertBelow(panel: NotebookPanel, source: string): void {
  const notebook = panel.content;
  const active = notebook.activeCell?.model;
  const isBlank = active?.type === 'code' && !active.sharedModel.source.trim();
  if (!isBlank) {
    NotebookActions.insertBelow(notebook);
    NotebookActions.changeCellType(notebook, 'code');
  }
  notebook.activeCell?.model.sharedModel.setSource(source);
}
