// The image `istio/examples-bookinfo-ratings-v1`: how many stars the reviewers of a book gave.

import { httpServer, readBody, sendJson, sendText } from './http.ts';
import type { SampleImage } from './image.ts';

/** `/ratings/<id>` (GET, and POST to change them) and `/health`. */
export const ratings: SampleImage = {
  names: ['istio/examples-bookinfo-ratings-v1', 'istio/examples-bookinfo-ratings-v2'],
  defaultPort: () => 9080,
  samplePath: '/ratings/0',
  createServer(context) {
    const stars = new Map<number, Record<string, number>>();
    return httpServer(context, async (request, response, { pathname }) => {
      const id = /^\/ratings\/(\d+)$/.exec(pathname)?.[1];
      if (pathname === '/health') return sendJson(response, 200, { status: 'Ratings is healthy' });
      if (id === undefined) return sendText(response, 404, 'not found\n');
      if (request.method === 'POST') {
        try {
          stars.set(Number(id), JSON.parse((await readBody(request)).toString()) as Record<string, number>);
        } catch {
          return sendJson(response, 400, { error: 'please provide valid ratings JSON' });
        }
      }
      return sendJson(response, 200, {
        id: Number(id),
        ratings: stars.get(Number(id)) ?? { Reviewer1: 5, Reviewer2: 4 },
      });
    });
  },
};
