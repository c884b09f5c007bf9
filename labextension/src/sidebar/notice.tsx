import { closeIcon } from '@jupyterlab/ui-components';
import { useEffect, useState } from 'react';

import { CommandIDs } from '../commands';
import { warningIcon } from '../icons';
import type { Phase } from '../state';
import type { IClusterState } from '../tokens';
import { IconButton, TextButton } from './atoms';
import { useSidebar } from './context';

/** What went wrong, above what is still shown. */
export function Notice(props: {
  phase: Phase;
  state: IClusterState;
}): JSX.Element | null {
  const { phase, state } = props;
  const { trans, run, readOnly } = useSidebar();
  const [dismissed, setDismissed] = useState('');
  const message = state.connection?.message ?? '';
  if (phase === 'lost') {
    return (
      <div className="jp-ByzerLab-notice" role="alert">
        <warningIcon.react tag="span" aria-hidden="true" />
        <div>
          {state.problem
            ? trans.__('The Jupyter server does not answer.')
            : message}
          {state.confirmedAt !== null && <Age since={state.confirmedAt} />}
          {!state.problem && !readOnly && (
            <TextButton onClick={() => run(CommandIDs.startCluster)}>
              {trans.__('Start again')}
            </TextButton>
          )}
        </div>
      </div>
    );
  }
  if (!message || message === dismissed) {
    return null;
  }
  return (
    <div className="jp-ByzerLab-notice" role="alert">
      <warningIcon.react tag="span" aria-hidden="true" />
      <div>{message}</div>
      <IconButton
        icon={closeIcon}
        label={trans.__('Dismiss')}
        onClick={() => setDismissed(message)}
      />
    </div>
  );
}

/** How old the state is, counting on. */
function Age(props: { since: number }): JSX.Element {
  const { trans } = useSidebar();
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 1000);
    return () => clearInterval(timer);
  }, []);
  const seconds = Math.max(0, Math.round((now - props.since) / 1000));
  return (
    // The count must not be read out every second.
    <p aria-live="off">
      {trans.__('Last seen %1 s ago. Trying again.', seconds)}
    </p>
  );
}
