// The TypeScript that builds the extension also prepares its tests: no second compiler to install.
const ts = require('typescript');

module.exports = {
  process(source, fileName) {
    if (fileName.endsWith('.svg')) {
      return { code: `module.exports = ${JSON.stringify(source)};` };
    }
    const { outputText } = ts.transpileModule(source, {
      fileName,
      compilerOptions: {
        allowJs: true,
        esModuleInterop: true,
        inlineSourceMap: true,
        jsx: ts.JsxEmit.ReactJSX,
        module: ts.ModuleKind.CommonJS,
        target: ts.ScriptTarget.ES2022
      }
    });
    return { code: outputText };
  }
};
