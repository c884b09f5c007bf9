import { type KeyboardEvent, useCallback, useState } from 'react';

import { ROW_CLASS } from '../commands';

/** Class of the button that opens and closes a row. */
export const TOGGLE_CLASS = 'jp-ByzerLab-rowToggle';

const TOGGLE = `.${TOGGLE_CLASS}`;

/** What a list of rows knows of each of them. */
export interface IRows {
  isExpanded: (name: string) => boolean;
  /** The one row that Tab reaches; arrow keys move that from row to row. */
  reachable: string | undefined;
  toggle: (name: string) => void;
  setCurrent: (name: string) => void;
  onKeyDown: (event: KeyboardEvent<HTMLUListElement>) => void;
}

/** A list of rows that open and close. Tab enters it at one row, arrow keys walk it. */
export function useRows(names: readonly string[]): IRows {
  const [expanded, setExpanded] = useState<ReadonlySet<string>>(new Set());
  const [current, setCurrent] = useState('');
  const toggle = useCallback((name: string) => {
    setExpanded(before => {
      const after = new Set(before);
      if (!after.delete(name)) {
        after.add(name);
      }
      return after;
    });
  }, []);
  return {
    isExpanded: name => expanded.has(name),
    reachable: names.includes(current) ? current : names[0],
    toggle,
    setCurrent,
    onKeyDown: event => walk(event, toggle)
  };
}

/** Up, Down, Home and End move between rows; Right opens the row, Left closes it. */
function walk(
  event: KeyboardEvent<HTMLUListElement>,
  toggle: (name: string) => void
): void {
  const target = event.target as HTMLElement;
  const row = target.closest<HTMLElement>(`.${ROW_CLASS}`);
  if (!row || !target.matches(TOGGLE)) {
    return;
  }
  const toggles = [
    ...event.currentTarget.querySelectorAll<HTMLElement>(TOGGLE)
  ];
  const at = toggles.indexOf(target);
  const isOpen = target.getAttribute('aria-expanded') === 'true';
  switch (event.key) {
    case 'ArrowDown':
      toggles[at + 1]?.focus();
      break;
    case 'ArrowUp':
      toggles[at - 1]?.focus();
      break;
    case 'Home':
      toggles[0]?.focus();
      break;
    case 'End':
      toggles[toggles.length - 1]?.focus();
      break;
    case 'ArrowRight':
    case 'ArrowLeft':
      if (isOpen !== (event.key === 'ArrowRight')) {
        toggle(row.dataset.name ?? row.dataset.job ?? '');
      }
      break;
    default:
      return;
  }
  event.preventDefault();
}
