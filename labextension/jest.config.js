module.exports = {
  testEnvironment: 'jsdom',
  setupFiles: ['<rootDir>/jest.setup.js'],
  testMatch: ['<rootDir>/src/__tests__/*.spec.ts?(x)'],
  moduleNameMapper: { '\\.css$': '<rootDir>/jest.empty.js' },
  // JupyterLab's packages are ES modules; jest runs CommonJS.
  transform: { '\\.(tsx?|js|mjs|svg)$': '<rootDir>/jest.transform.js' },
  transformIgnorePatterns: [
    '/node_modules/(?!(@jupyter|@jupyterlab|@microsoft|exenv-es6|lib0|y-protocols|yjs)/)'
  ]
};
