import { loadsMagics, promptCell } from '../cells';

describe('cells', () => {
  it('knows whether a notebook loads the magics', () => {
    expect(loadsMagics(['import os\n%load_ext byzer_lab'])).toBe(true);
    expect(loadsMagics(['%reload_ext byzer_lab'])).toBe(true);
    expect(loadsMagics(['# %load_ext byzer_lab', '%load_ext byzer_labs'])).toBe(
      false
    );
  });

  it('names the deployment', () => {
    expect(promptCell('chat')).toMatch(/^%%prompt --model chat\n./);
  });
});
