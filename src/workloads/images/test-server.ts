// The image `limen/test-server`: answers `test` on /api/test, the least that shows a request went through.

import { httpServer, sendText } from './http.ts';
import type { SampleImage } from './image.ts';

/** `/api/test` → `test`; everything else is a 404. */
export const testServer: SampleImage = {
  names: ['limen/test-server'],
  defaultPort: () => 8080,
  samplePath: '/api/test',
  createServer: (context) =>
    httpServer(context, (_request, response, { pathname }) =>
      pathname === '/api/test' ? sendText(response, 200, 'test') : sendText(response, 404, 'not found\n'),
    ),
};
