import type { IClusterState } from '../tokens';
import { useSidebar } from './context';
import { DeploymentRow } from './row';
import { useRows } from './rows';

/** The list of deployments. */
export function DeploymentList(props: { state: IClusterState }): JSX.Element {
  const { deployments, operations } = props.state;
  const { trans } = useSidebar();
  const rows = useRows(deployments.map(({ spec }) => spec.name));
  return (
    <section aria-label={trans.__('Deployments')}>
      <h2 className="jp-ByzerLab-sectionTitle">
        {trans.__('Deployments')}
        <span className="jp-ByzerLab-count">{deployments.length}</span>
      </h2>
      <ul className="jp-ByzerLab-list" onKeyDown={rows.onKeyDown}>
        {deployments.map(deployment => (
          <DeploymentRow
            key={deployment.spec.name}
            deployment={deployment}
            operation={operations.get(deployment.operation ?? '')}
            expanded={rows.isExpanded(deployment.spec.name)}
            reachable={deployment.spec.name === rows.reachable}
            onToggle={rows.toggle}
            onFocus={rows.setCurrent}
          />
        ))}
      </ul>
    </section>
  );
}
