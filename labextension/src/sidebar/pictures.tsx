import type { ReactNode } from 'react';

import { CommandIDs } from '../commands';
import { CopyButton, ProgressBar, TextButton } from './atoms';
import { useSidebar } from './context';

/** How to get the server extension, where it is missing. */
const CURE = 'pip install byzer-lab\njupyter server extension enable byzer_lab';

function Picture(props: { children: ReactNode }): JSX.Element {
  return <div className="jp-ByzerLab-picture">{props.children}</div>;
}

/** The page has the sidebar, the server has not its other half. */
export function MissingExtension(): JSX.Element {
  const { trans } = useSidebar();
  return (
    <Picture>
      <p>
        {trans.__(
          'This Jupyter server runs without the Byzer Lab extension. Run this in its environment, then restart the server:'
        )}
      </p>
      <div className="jp-ByzerLab-code">
        <pre>{CURE}</pre>
        <CopyButton text={CURE} label={trans.__('Copy the commands')} />
      </div>
    </Picture>
  );
}

/** Jupyter's login has ended, or its authorizer says no. */
export function Unauthorized(): JSX.Element {
  const { trans } = useSidebar();
  return (
    <Picture>
      <p>
        {trans.__(
          'The Jupyter server refuses this page. Reload it and log in again; if that does not help, you are not allowed to see the cluster.'
        )}
      </p>
    </Picture>
  );
}

/** No cluster runs. */
export function NoCluster(): JSX.Element {
  const { trans, run, readOnly } = useSidebar();
  return (
    <Picture>
      <p>
        {trans.__(
          'Models run on a Ray cluster. The first deploy cell starts one on this machine, or start it here.'
        )}
      </p>
      {!readOnly && (
        <TextButton accent onClick={() => run(CommandIDs.startCluster)}>
          {trans.__('Start a cluster')}
        </TextButton>
      )}
    </Picture>
  );
}

/** The cluster comes or goes. */
export function Passage(props: { label: string }): JSX.Element {
  return (
    <Picture>
      <ProgressBar value={null} label={props.label} />
      <p>{props.label}</p>
    </Picture>
  );
}

/** The cluster runs and nothing is deployed. */
export function NothingDeployed(): JSX.Element {
  const { trans, run } = useSidebar();
  return (
    <Picture>
      <p>
        {trans.__(
          'No model is deployed yet. Byzer Lab brings a tiny demonstration model: a cell deploys it within seconds.'
        )}
      </p>
      <TextButton accent onClick={() => run(CommandIDs.insertDeployCell)}>
        {trans.__('Deploy your first model')}
      </TextButton>
    </Picture>
  );
}
