import { act, cleanup, fireEvent, screen } from '@testing-library/react';

import { CommandIDs } from '../commands';
import type { IClusterState, IJob, IJobPoint } from '../tokens';
import { connected, deployment, job } from './samples';
import { executed, show } from './shown';

const POINTS: IJobPoint[] = [
  { step: 10, loss: 2.5, learning_rate: 1e-4 },
  { step: 20, loss: 1.25, learning_rate: 2e-4, eval_loss: 1.5 },
  { step: 30, loss: 0.8312, learning_rate: 1e-4 }
];

/** Render jobs and let their curves arrive; returns how to change them. */
async function showJobs(
  jobs: IJob[],
  fields: Partial<IClusterState> = {}
): Promise<(jobs: IJob[]) => void> {
  const model = show(connected({ jobs, ...fields }), POINTS);
  await settled();
  return next => model.show({ ...model.state, jobs: next });
}

const settled = () => act(() => Promise.resolve());

/** Open the one row that is closed. */
async function open(): Promise<void> {
  fireEvent.click(screen.getByRole('button', { expanded: false }));
  await settled();
}

beforeEach(() => executed.mockClear());
afterEach(cleanup);

const row = () => screen.getByRole('listitem');

describe('a job that trains', () => {
  it('shows how far it is, its loss and what is left', async () => {
    await showJobs([job('lora', { eta_s: 840 })]);
    for (const part of [
      'lora',
      'Running',
      'sft',
      'step 30/120',
      'loss 0.831',
      '14 min left'
    ]) {
      expect(row().textContent).toContain(part);
    }
    const bar = screen.getByRole('progressbar', { name: 'Progress of lora' });
    expect(bar.getAttribute('aria-valuenow')).toBe('25');
    expect(document.querySelector('.jp-ByzerLab-sparkline path')).toBeTruthy();
  });

  it('tells what it waits for, or is at', async () => {
    await showJobs([
      job('lora', { state: 'queued', phase: 'waiting for 2 GPUs', step: 0 })
    ]);
    expect(row().textContent).toContain('waiting for 2 GPUs');
  });

  it('can be stopped and not be deleted', async () => {
    await showJobs([job('lora')]);
    fireEvent.click(screen.getByLabelText('Stop lora…'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.stopJob, { job: 'lora' });
    expect(screen.queryByLabelText('Delete lora…')).toBeNull();
    expect(screen.queryByLabelText('Deploy the model of lora…')).toBeNull();
  });
});

describe('a job that has ended', () => {
  const artefacts = { adapter: '/jobs/lora/final' };

  it('can be deployed, resumed where it was stopped, and deleted', async () => {
    await showJobs([
      job('lora', {
        state: 'stopped',
        artefacts,
        started_at: 10,
        finished_at: 105
      })
    ]);
    expect(row().textContent).toContain('took 1 min 35 s');
    for (const [label, command] of [
      ['Deploy the model of lora…', CommandIDs.deployJob],
      ['Resume lora', CommandIDs.resumeJob],
      ['Delete lora…', CommandIDs.deleteJob],
      ['Log of lora', CommandIDs.showJobLog]
    ] as const) {
      fireEvent.click(screen.getByLabelText(label));
      expect(executed).toHaveBeenLastCalledWith(command, { job: 'lora' });
    }
  });

  it('shows the first line of a failure, and all of it when it is opened', async () => {
    const error = {
      code: 'training',
      message: 'The disk is full.\nNo space left on device: /jobs/lora'
    };
    await showJobs([job('lora', { state: 'failed', error })]);
    expect(screen.getByText('The disk is full.')).toBeTruthy();
    fireEvent.click(screen.getByText('Log'));
    expect(executed).toHaveBeenCalledWith(CommandIDs.showJobLog, {
      job: 'lora'
    });
    await open();
    expect(row().textContent).toContain('No space left on device');
  });

  it('offers nothing to whom may only look', async () => {
    await showJobs([job('lora', { state: 'stopped', artefacts })], {
      readOnly: true
    });
    expect(screen.getByLabelText('Log of lora')).toBeTruthy();
    expect(screen.queryByLabelText('Resume lora')).toBeNull();
    expect(screen.queryByLabelText('Delete lora…')).toBeNull();
  });

  it('stands below those under way, and only the newest are shown at first', async () => {
    const ended = Array.from({ length: 30 }, (_, n) =>
      job(`old-${n}`, { state: 'completed' })
    );
    await showJobs([...ended, job('now')]);
    const rows = screen.getAllByRole('listitem');
    expect(rows).toHaveLength(21);
    expect(rows[0]?.textContent).toContain('now');
    expect(screen.getByText('1 of 31 active')).toBeTruthy();
    fireEvent.click(screen.getByText('Show 10 more'));
    expect(screen.getAllByRole('listitem')).toHaveLength(31);
  });
});

describe('the details of a job', () => {
  const opened = job('lora', {
    epoch: 0.75,
    memory_mb: 2048,
    gpu_memory_mb: 512,
    point: {
      step: 30,
      loss: 0.8312,
      learning_rate: 2e-4,
      tokens_per_second: 1240
    },
    checkpoints: [{ step: 20, path: '/jobs/lora/checkpoint-20' }],
    warnings: ['warmup_steps is longer than the run.'],
    artefacts: { tensorboard: '/jobs/lora/logging' },
    spec: {
      name: 'lora',
      kind: 'sft',
      model_path: 'bundled',
      parameters: { lora_rank: 8, packing: true }
    }
  });

  it('tell every figure, checkpoint, artefact and setting', async () => {
    await showJobs([opened]);
    await open();
    const text = document.querySelector('.jp-ByzerLab-details')?.textContent;
    for (const part of [
      'warmup_steps is longer than the run.',
      'epoch0.75',
      'learning_rate2e-4',
      'tokens_per_second1,240',
      'memory2.0 GB',
      'gpu_memory512 MB',
      'step 20',
      'tensorboard/jobs/lora/logging',
      'lora_rank8',
      'packingtrue',
      'pretrained_model_typesft/auto'
    ]) {
      expect(text).toContain(part);
    }
  });

  it('draw the loss and read it out by keys', async () => {
    await showJobs([opened]);
    await open();
    const chart = screen.getByRole('slider', { name: 'Loss over the steps' });
    expect(chart.getAttribute('aria-valuetext')).toBe('step 30: 0.831');
    fireEvent.keyDown(chart, { key: 'ArrowLeft' });
    expect(chart.getAttribute('aria-valuetext')).toBe(
      'step 20: 1.25, held out 1.5'
    );
    fireEvent.keyDown(chart, { key: 'Home' });
    expect(chart.getAttribute('aria-valuenow')).toBe('10');
    expect(screen.getByText('held out')).toBeTruthy();
  });

  it('draw another figure, and offer only what was measured', async () => {
    await showJobs([opened]);
    await open();
    const select = screen.getByLabelText<HTMLSelectElement>('Figure');
    expect([...select.options].map(({ value }) => value)).toEqual([
      'loss',
      'learning_rate'
    ]);
    fireEvent.change(select, { target: { value: 'learning_rate' } });
    const chart = screen.getByRole('slider');
    expect(chart.getAttribute('aria-valuetext')).toBe('step 30: 1e-4');
    expect(screen.queryByText('held out')).toBeNull();
  });
});

describe('beside deployments', () => {
  it('a training can be begun where there is none yet', async () => {
    await showJobs([], { deployments: [deployment('chat')] });
    fireEvent.click(
      screen.getByLabelText('Insert a cell that finetunes a model')
    );
    expect(executed).toHaveBeenCalledWith(CommandIDs.insertFinetuneCell, {});
  });

  it('jobs have a list of their own, and arrow keys stay in it', async () => {
    await showJobs([job('one'), job('two')], {
      deployments: [deployment('chat')]
    });
    const [, first, second] = screen.getAllByRole('button', {
      expanded: false
    }) as [HTMLElement, HTMLElement, HTMLElement];
    act(() => first.focus());
    fireEvent.keyDown(first, { key: 'ArrowDown' });
    expect(document.activeElement).toBe(second);
    fireEvent.keyDown(second, { key: 'ArrowRight' });
    expect(second.getAttribute('aria-expanded')).toBe('true');
  });

  it('a screen reader is told of new states of jobs', async () => {
    const change = await showJobs([job('lora')]);
    change([job('lora', { step: 31 })]);
    const live = document.querySelector('[aria-live="polite"]');
    expect(live?.textContent).toBe('');
    change([job('lora', { state: 'completed' })]);
    expect(live?.textContent).toBe('lora: Completed');
  });
});
