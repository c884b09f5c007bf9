import type { TranslationBundle } from '@jupyterlab/translation';
import { ReactWidget } from '@jupyterlab/ui-components';
import type { CommandRegistry } from '@lumino/commands';
import type { Message } from '@lumino/messaging';

import type { JobCurves } from '../curves';
import { byzerLabIcon } from '../icons';
import type { IClusterModel } from '../tokens';
import { Sidebar } from './sidebar';

/** The sidebar as a widget. It tells the model whether anybody can see it. */
export class SidebarPanel extends ReactWidget {
  constructor(
    private readonly _model: IClusterModel,
    private readonly _commands: CommandRegistry,
    private readonly _trans: TranslationBundle,
    private readonly _curves: JobCurves
  ) {
    super();
    this.id = 'byzer-lab-sidebar';
    this.addClass('jp-ByzerLab');
    this.title.icon = byzerLabIcon;
    this.title.caption = this._trans.__('Byzer Lab: models and their cluster');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', this._trans.__('Byzer Lab'));
    document.addEventListener('visibilitychange', this._tellModel);
  }

  override dispose(): void {
    document.removeEventListener('visibilitychange', this._tellModel);
    super.dispose();
  }

  protected override render(): JSX.Element {
    return (
      <Sidebar
        model={this._model}
        commands={this._commands}
        trans={this._trans}
        curves={this._curves}
      />
    );
  }

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._tellModel();
  }

  protected override onAfterHide(message: Message): void {
    super.onAfterHide(message);
    this._tellModel();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    this._tellModel();
  }

  private readonly _tellModel = (): void =>
    this._model.setWatched(this.isVisible && !document.hidden);
}
