import { act, cleanup, fireEvent, screen } from '@testing-library/react';

import { CommandIDs } from '../commands';
import { INITIAL_STATE } from '../state';
import { connected, deployment, operation, worker } from './samples';
import { executed, show } from './shown';

const busy = worker('w1', {
  load: {
    in_flight: 3,
    queued: 2,
    tokens_per_second: 38.4,
    requests: 9,
    memory_mb: 2048
  }
});

beforeEach(() => executed.mockClear());
afterEach(cleanup);

describe('pictures', () => {
  it('tells how to get a missing server extension', () => {
    show({ ...INITIAL_STATE, problem: { kind: 'missing', message: '' } });
    expect(document.body.textContent).toContain(
      'jupyter server extension enable byzer_lab'
    );
  });

  it('offers to start a cluster', () => {
    show(connected({ connection: { status: 'none', message: '' } }));
    fireEvent.click(screen.getByText('Start a cluster'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.startCluster, {});
  });

  it('offers the first model on an empty cluster', () => {
    show(connected());
    fireEvent.click(screen.getByText('Deploy your first model'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.insertDeployCell, {});
  });

  it('keeps the rows of a lost cluster', () => {
    const model = show(connected({ deployments: [deployment('chat')] }));
    model.show({
      ...model.state,
      connection: { status: 'lost', message: 'It does not answer.' }
    });
    expect(screen.getByText('chat')).toBeTruthy();
    expect(screen.getByRole('alert').textContent).toContain(
      'It does not answer.'
    );
  });

  it('hides every change from whom may only look', () => {
    show(connected({ readOnly: true, deployments: [deployment('chat')] }));
    expect(screen.queryByLabelText('Stop the cluster…')).toBeNull();
    expect(screen.queryByLabelText('Undeploy chat…')).toBeNull();
    expect(screen.getByLabelText('Logs of chat')).toBeTruthy();
  });
});

describe('a row', () => {
  it('shows load summed over the workers, and defaults left off the wire', () => {
    show(
      connected({
        deployments: [
          deployment('chat', {
            spec: { name: 'chat', workers: 2 },
            workers: [busy, worker('w2', { state: 'loading' })],
            replaced: 1
          })
        ]
      })
    );
    const row = screen.getByRole('listitem').textContent;
    for (const part of [
      'Ready',
      'transformers',
      '1/2 workers',
      '1 replaced',
      '3 in flight',
      '2 queued',
      '38 tok/s'
    ]) {
      expect(row).toContain(part);
    }
  });

  it('shows how loading goes, and cancels it', () => {
    show(
      connected({
        deployments: [
          deployment('chat', { state: 'loading', operation: 'op1' })
        ],
        operations: new Map([
          ['op1', operation('op1', { phase: 'loading weights', progress: 0.5 })]
        ])
      })
    );
    const bar = screen.getByRole('progressbar');
    expect(bar.getAttribute('aria-valuenow')).toBe('50');
    fireEvent.click(screen.getByText('Cancel'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.cancelOperation, {
      operation: 'op1'
    });
  });

  it('shows how the drawing of a picture goes', () => {
    const load = { ...busy.load, phase: 'drawing 2 of 3', progress: 0.4 };
    show(
      connected({
        deployments: [
          deployment('painter', { workers: [worker('w1', { load })] })
        ]
      })
    );
    const bar = screen.getByRole('progressbar');
    expect(bar.getAttribute('aria-valuenow')).toBe('40');
    const row = screen.getByRole('listitem').textContent;
    expect(row).toContain('drawing 2 of 3 40 %');
    expect(row).toContain('2 queued');
  });

  it('shows the first line of a failure', () => {
    const error = { code: 'engine', message: 'No such folder\nTraceback' };
    show(
      connected({
        deployments: [deployment('chat', { state: 'failed', error })]
      })
    );
    expect(screen.getByText('No such folder')).toBeTruthy();
    fireEvent.click(screen.getByText('Logs'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.showLogs, {
      name: 'chat'
    });
  });

  it('unfolds meta and workers', () => {
    show(
      connected({
        deployments: [
          deployment('chat', {
            meta: { max_model_len: 1024, stops: ['</s>'], quantization: null },
            workers: [busy]
          })
        ]
      })
    );
    const toggle = screen.getByRole('button', { expanded: false });
    fireEvent.click(toggle);
    expect(toggle.getAttribute('aria-expanded')).toBe('true');
    const details = screen.getByRole('listitem').textContent;
    for (const part of ['max_model_len', '1024', '["</s>"]', '2.0 GB']) {
      expect(details).toContain(part);
    }
    expect(details).not.toContain('quantization');
    expect(details).not.toContain('load_balance');
  });

  it('tells how a deployment spreads requests and fills them in', () => {
    show(
      connected({
        deployments: [
          deployment('chat', {
            spec: {
              name: 'chat',
              workers: 2,
              min_workers: 2,
              max_workers: 4,
              load_balance: 'round_robin',
              generation: { temperature: 0.1 }
            },
            meta: { adapters: ['poet', 'clerk'], quantization: '' },
            workers: [busy, worker('w2', { index: 1 })]
          })
        ]
      })
    );
    fireEvent.click(screen.getByRole('button', { expanded: false }));
    const details = screen.getByRole('listitem').textContent;
    for (const part of [
      'load_balanceround_robin',
      'autoscaling2 – 4',
      'generation{"temperature":0.1}',
      'adapters["poet","clerk"]',
      '1w2'
    ]) {
      expect(details).toContain(part);
    }
  });

  it('is not drawn again while others change', () => {
    const still = deployment('still');
    const model = show(
      connected({ deployments: [still, deployment('moving')] })
    );
    const before = screen.getByText('still').closest('li')?.innerHTML;
    model.show({
      ...model.state,
      deployments: [still, deployment('moving', { workers: [busy] })]
    });
    expect(screen.getByText('still').closest('li')?.innerHTML).toBe(before);
    expect(screen.getByText('3 in flight')).toBeTruthy();
  });
});

describe('the keyboard', () => {
  it('walks the rows and reaches one of them by Tab', () => {
    show(
      connected({ deployments: ['a', 'b', 'c'].map(name => deployment(name)) })
    );
    const [first, second, third] = screen.getAllByRole('button', {
      expanded: false
    }) as [HTMLElement, HTMLElement, HTMLElement];
    act(() => first.focus());
    fireEvent.keyDown(first, { key: 'ArrowDown' });
    expect(document.activeElement).toBe(second);
    expect([first, second, third].map(({ tabIndex }) => tabIndex)).toEqual([
      -1, 0, -1
    ]);
    fireEvent.keyDown(second, { key: 'End' });
    expect(document.activeElement).toBe(third);
    fireEvent.keyDown(third, { key: 'ArrowRight' });
    expect(third.getAttribute('aria-expanded')).toBe('true');
    fireEvent.keyDown(third, { key: 'ArrowLeft' });
    expect(third.getAttribute('aria-expanded')).toBe('false');
  });
});

describe('a screen reader', () => {
  it('is told of new states, not of new figures', () => {
    const model = show(
      connected({ deployments: [deployment('chat', { state: 'loading' })] })
    );
    const live = document.querySelector('[aria-live="polite"]');
    model.show({ ...model.state, deployments: [deployment('chat')] });
    expect(live?.textContent).toBe('chat: Ready');
  });
});
