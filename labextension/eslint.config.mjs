import jupyter from '@jupyter/eslint-plugin';
import reactHooks from 'eslint-plugin-react-hooks';
import tseslint from 'typescript-eslint';

export default tseslint.config(
  { ignores: ['**/lib/**', '**/*.js', '**/*.mjs'] },
  ...tseslint.configs.strict,
  ...tseslint.configs.stylistic,
  { plugins: { jupyter } },
  ...jupyter.configs.recommended,
  {
    files: ['**/*.ts', '**/*.tsx'],
    plugins: { 'react-hooks': reactHooks },
    rules: {
      ...reactHooks.configs.recommended.rules,
      // What a plugin shows at once it needs at once.
      'jupyter/prefer-lazy-imports': 'off',
      eqeqeq: 'error',
      curly: 'error',
      // Command ids are grouped in a namespace, tokens share their interface's name: both are
      // customs of JupyterLab.
      '@typescript-eslint/no-namespace': 'off',
      '@typescript-eslint/no-redeclare': 'off',
      '@typescript-eslint/naming-convention': [
        'error',
        { selector: 'interface', format: ['PascalCase'], prefix: ['I'] }
      ]
    }
  }
);
