// The images `istio/examples-bookinfo-reviews-v1|v2|v3`: two reviews; v2 adds black stars and v3 red ones, asked from ratings.

import { callService, httpServer, sendJson, sendText } from './http.ts';
import type { SampleImage } from './image.ts';

const COLORS: Record<string, string> = { v2: 'black', v3: 'red' };

const REVIEWS = [
  {
    reviewer: 'Reviewer1',
    text: 'Two pairs of twins and not one dull minute: I laughed from the first scene to the last.',
  },
  {
    reviewer: 'Reviewer2',
    text: 'Great fun on a stage, though he went deeper in the plays that came after it.',
  },
];

/** `/reviews/<id>` and `/health`. Environment: RATINGS_HOSTNAME, SERVICES_DOMAIN as in the original. */
export const reviews: SampleImage = {
  names: ['v1', 'v2', 'v3'].map((version) => `istio/examples-bookinfo-reviews-${version}`),
  defaultPort: () => 9080,
  samplePath: '/reviews/0',
  createServer(context) {
    const color = COLORS[context.repository.slice(-2)];
    const domain = context.env.SERVICES_DOMAIN ? `.${context.env.SERVICES_DOMAIN}` : '';
    const host = `${context.env.RATINGS_HOSTNAME ?? 'ratings'}${domain}`;
    return httpServer(context, async (request, response, { pathname }) => {
      const id = /^\/reviews\/(\d+)$/.exec(pathname)?.[1];
      if (pathname === '/health') return sendJson(response, 200, { status: 'Reviews is healthy' });
      if (id === undefined) return sendText(response, 404, 'not found\n');
      let stars: (reviewer: string) => unknown = () => undefined;
      if (color !== undefined) {
        try {
          const answer = await callService(context, { host, port: 9080, path: `/ratings/${id}` }, request);
          const given = (JSON.parse(answer.body) as { ratings?: Record<string, number> }).ratings ?? {};
          stars = (reviewer) => ({ rating: { stars: given[reviewer] ?? -1, color } });
        } catch {
          stars = () => ({ rating: { error: 'Ratings service is currently unavailable' } });
        }
      }
      return sendJson(response, 200, {
        id,
        podname: context.podName,
        clustername: 'null',
        reviews: REVIEWS.map((review) => ({ ...review, ...(stars(review.reviewer) as object | undefined) })),
      });
    });
  },
};
