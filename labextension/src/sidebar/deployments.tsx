import { type KeyboardEvent, useCallback, useState } from 'react';

import { ROW_CLASS } from '../commands';
import type { IClusterState } from '../tokens';
import { useSidebar } from './context';
import { DeploymentRow, TOGGLE_CLASS } from './row';

const TOGGLE = `.${TOGGLE_CLASS}`;

/** The list of deployments. Tab enters it at one row, arrow keys walk it. */
export function DeploymentList(props: { state: IClusterState }): JSX.Element {
  const { deployments, operations } = props.state;
  const { trans } = useSidebar();
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
  const names = deployments.map(({ spec }) => spec.name);
  const reachable = names.includes(current) ? current : names[0];
  return (
    <section aria-label={trans.__('Deployments')}>
      <h2 className="jp-ByzerLab-sectionTitle">
        {trans.__('Deployments')}
        <span className="jp-ByzerLab-count">{deployments.length}</span>
      </h2>
      <ul className="jp-ByzerLab-list" onKeyDown={event => walk(event, toggle)}>
        {deployments.map(deployment => (
          <DeploymentRow
            key={deployment.spec.name}
            deployment={deployment}
            operation={operations.get(deployment.operation ?? '')}
            expanded={expanded.has(deployment.spec.name)}
            reachable={deployment.spec.name === reachable}
            onToggle={toggle}
            onFocus={setCurrent}
          />
        ))}
      </ul>
    </section>
  );
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
        toggle(row.dataset.name ?? '');
      }
      break;
    default:
      return;
  }
  event.preventDefault();
}
