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

/** Whether a cell of the notebook loads the magics. */
export function loadsMagics(sources: Iterable<string>): boolean {
  for (const source of sources) {
    if (LOADS_MAGICS.test(source)) {
      return true;
    }
  }
  return false;
}
