import { toApiError } from '../request';

describe('toApiError', () => {
  it.each([
    [503, '{"error": {"code": "cluster", "message": "No."}}', 'refused', 'No.'],
    [404, '{"error": {"code": "not_found", "message": "?"}}', 'refused', '?'],
    [404, '<html>', 'missing', '<html>'],
    [
      403,
      '{"message": "Forbidden"}',
      'unauthorized',
      '{"message": "Forbidden"}'
    ],
    [500, '{"message": "Unhandled"}', 'server', '500: {"message": "Unhandled"}']
  ])('%s %s is %s', (status, text, kind, message) => {
    expect(toApiError(status, text)).toMatchObject({ kind, message });
  });
});
