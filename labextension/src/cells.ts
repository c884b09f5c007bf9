/** A cell that makes the magics known to the kernel. */
export const LOAD_MAGICS = '%load_ext byzer_lab';

const LOADS_MAGICS = /^\s*%(re)?load_ext\s+byzer_lab\b/m;

/** A cell that talks to a deployment. */
export function promptCell(name: string): string {
  return `%%prompt --model ${name}\nWhat can you do?`;
}

/** A cell that shows a job and its curves while it runs. */
export function jobCell(name: string): string {
  return `%llm_jobs ${name} --watch`;
}

/** A cell that deploys the model that comes with Byzer Lab. */
export const DEPLOY_CELL = '%%llm_deploy chat --model_path bundled';

/** A cell that begins a training; the rows are the user's. */
export const FINETUNE_CELL =
  '%%llm_finetune tuned --model_path bundled --data rows.jsonl\nlora_rank = 16';

/** Whether a cell of the notebook loads the magics. */
export function loadsMagics(sources: Iterable<string>): boolean {
  for (const source of sources) {
    if (LOADS_MAGICS.test(source)) {
      return true;
    }
  }
  return false;
}
