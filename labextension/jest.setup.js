// What JupyterLab's packages want of a browser when they are loaded and jsdom has not.
globalThis.DragEvent ??= class DragEvent extends MouseEvent {};
globalThis.matchMedia ??= () => ({ matches: false, addListener: () => {} });
Object.defineProperty(navigator, 'clipboard', { value: {} });
