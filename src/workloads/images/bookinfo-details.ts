// The image `istio/examples-bookinfo-details-v1`: what is to be known about a book.

import { httpServer, sendJson, sendText } from './http.ts';
import type { SampleImage } from './image.ts';

/** `/details/<id>` and `/health`. */
export const details: SampleImage = {
  names: ['istio/examples-bookinfo-details-v1', 'istio/examples-bookinfo-details-v2'],
  defaultPort: () => 9080,
  samplePath: '/details/0',
  createServer: (context) =>
    httpServer(context, (_request, response, { pathname }) => {
      const id = /^\/details\/(\d+)$/.exec(pathname)?.[1];
      if (id !== undefined) return sendJson(response, 200, { id: Number(id), ...BOOK });
      if (pathname === '/health') return sendJson(response, 200, { status: 'Details is healthy' });
      return sendText(response, 404, 'not found\n');
    }),
};

const BOOK = {
  author: 'William Shakespeare',
  year: 1595,
  type: 'paperback',
  pages: 200,
  publisher: 'PublisherA',
  language: 'English',
  'ISBN-10': '1234567890',
  'ISBN-13': '123-1234567890',
};
