import { MimeData } from '@lumino/coreutils';
import { Drag } from '@lumino/dragdrop';
import type { PointerEvent } from 'react';

/** How far the pointer moves before a press becomes a drag. */
const THRESHOLD_PX = 6;

/** What JupyterLab's notebooks accept as cells. */
const CELLS_MIME = 'application/vnd.jupyter.cells';

/** Begin to drag a code cell, should this press of the pointer become a drag. */
export function dragCell(event: PointerEvent, source: string): void {
  if (event.button !== 0) {
    return;
  }
  const { clientX, clientY } = event;
  const listening = new AbortController();
  const { signal } = listening;
  const onMove = (move: globalThis.PointerEvent): void => {
    const distance = Math.hypot(move.clientX - clientX, move.clientY - clientY);
    if (distance >= THRESHOLD_PX) {
      listening.abort();
      startDrag(move, source);
    }
  };
  window.addEventListener('pointermove', onMove, { signal });
  window.addEventListener('pointerup', () => listening.abort(), { signal });
}

function startDrag(event: globalThis.PointerEvent, source: string): void {
  const mimeData = new MimeData();
  mimeData.setData('text/plain', source);
  mimeData.setData(CELLS_MIME, [
    {
      cell_type: 'code',
      source,
      metadata: {},
      execution_count: null,
      outputs: []
    }
  ]);
  const dragImage = document.createElement('div');
  dragImage.className = 'jp-ByzerLab-dragged';
  dragImage.textContent = source;
  const drag = new Drag({
    mimeData,
    dragImage,
    proposedAction: 'copy',
    supportedActions: 'copy'
  });
  void drag.start(event.clientX, event.clientY).then(() => drag.dispose());
}
