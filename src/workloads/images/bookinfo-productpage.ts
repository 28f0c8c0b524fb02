// The image `istio/examples-bookinfo-productpage-v1`: the web page and API in front of details and reviews.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { callService, escapeHtml, httpServer, readBody, send, sendHtml, sendJson, sendText } from './http.ts';
import type { ContainerContext, SampleImage } from './image.ts';

const PRODUCT = {
  id: 0,
  title: 'The Comedy of Errors',
  descriptionHtml:
    '<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">The Comedy of Errors</a> is an early play of William Shakespeare, and his shortest.',
};

const STYLE = 'body { font-family: sans-serif; margin: 2rem } .black { color: black } .red { color: red }\n';

/** Answers of the other services, as far as the page reads them. */
interface Review {
  reviewer: string;
  text: string;
  rating?: { stars?: number; color?: string; error?: string };
}
interface Reviews {
  podname?: string;
  reviews?: Review[];
}

/** `/`, `/productpage`, `/login`, `/logout`, `/static/bookinfo.css`, `/api/v1/products[/<id>[/reviews|/ratings]]`, `/health`. */
export const productpage: SampleImage = {
  names: ['istio/examples-bookinfo-productpage-v1'],
  defaultPort: () => 9080,
  samplePath: '/productpage',
  createServer(context) {
    return httpServer(context, async (request, response, { pathname }) => {
      switch (pathname) {
        case '/':
          return sendHtml(response, 200, html('Bookinfo', '<p><a href="/productpage">The product page</a></p>'));
        case '/health':
          return sendText(response, 200, 'Product page is healthy');
        case '/productpage':
          return sendHtml(response, 200, await productPage(context, request));
        case '/login': {
          const user = new URLSearchParams((await readBody(request)).toString()).get('username') ?? '';
          return redirect(response, `user=${encodeURIComponent(user)}; Path=/; HttpOnly`);
        }
        case '/logout':
          return redirect(response, 'user=; Path=/; Max-Age=0');
        case '/static/bookinfo.css':
          return send(response, 200, 'text/css; charset=utf-8', STYLE);
        case '/api/v1/products':
          return sendJson(response, 200, [PRODUCT]);
      }
      const [, id = '', part = 'details'] = /^\/api\/v1\/products\/(\d+)(?:\/(reviews|ratings))?$/.exec(pathname) ?? [];
      if (id === '') return sendText(response, 404, 'not found\n');
      const answer = await ask(context, request, part, id);
      if (answer instanceof Error) return sendJson(response, 503, { error: answer.message });
      return sendJson(response, 200, answer);
    });
  },
};

function redirect(response: ServerResponse, cookie: string): void {
  response.writeHead(302, { location: '/productpage', 'set-cookie': cookie, 'content-length': 0 });
  response.end();
}

/** What `details`, `reviews` or `ratings` says about a book, or why it does not. */
async function ask(
  context: ContainerContext,
  cause: IncomingMessage,
  service: string,
  id: string,
): Promise<object | Error> {
  const { env } = context;
  const domain = env.SERVICES_DOMAIN ? `.${env.SERVICES_DOMAIN}` : '';
  const host = `${env[`${service.toUpperCase()}_HOSTNAME`] ?? service}${domain}`;
  try {
    const answer = await callService(context, { host, port: 9080, path: `/${service}/${id}` }, cause);
    if (answer.status !== 200) throw new Error(`the service ${host} answers ${answer.status}`);
    return JSON.parse(answer.body) as object;
  } catch (error) {
    return error as Error;
  }
}

async function productPage(context: ContainerContext, request: IncomingMessage): Promise<string> {
  const [details, reviews] = await Promise.all([
    ask(context, request, 'details', '0'),
    ask(context, request, 'reviews', '0'),
  ]);
  const user = /(?:^|; )user=([^;]+)/.exec(request.headers.cookie ?? '')?.[1];
  const signIn =
    user === undefined
      ? ''
      : `<p>Signed in as ${escapeHtml(decodeURIComponent(user))} (<a href="/logout">sign out</a>)</p>\n`;
  return html(
    PRODUCT.title,
    `${signIn}<p>Summary: ${PRODUCT.descriptionHtml}</p>
<h2>Book Details</h2>
${details instanceof Error ? `<p>Error fetching product details: ${escapeHtml(details.message)}</p>` : definitions(details)}
<h2>Book Reviews</h2>
${reviews instanceof Error ? `<p>Error fetching product reviews: ${escapeHtml(reviews.message)}</p>` : reviewList(reviews)}`,
  );
}

function definitions(details: object): string {
  const rows = Object.entries(details).map(
    ([name, value]) => `<dt>${escapeHtml(name)}</dt><dd>${escapeHtml(value)}</dd>`,
  );
  return `<dl>\n${rows.join('\n')}\n</dl>`;
}

function reviewList({ reviews = [], podname }: Reviews): string {
  const items = reviews.map(({ reviewer, text, rating }) => {
    const stars =
      rating === undefined
        ? ''
        : rating.error === undefined
          ? `<p class="${rating.color === 'red' ? 'red' : 'black'}">${'★'.repeat(Math.max(rating.stars ?? 0, 0))}</p>`
          : `<p>${escapeHtml(rating.error)}</p>`;
    return `<blockquote><p>${escapeHtml(text)}</p>${stars}<small>${escapeHtml(reviewer)}</small></blockquote>`;
  });
  return `${items.join('\n')}\n<p>Reviews served by: ${escapeHtml(podname ?? '')}</p>`;
}

function html(title: string, body: string): string {
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>${title === PRODUCT.title ? 'Simple Bookstore App' : title}</title><link rel="stylesheet" href="/static/bookinfo.css"></head>
<body>
<h1>${title}</h1>
${body}
</body>
</html>
`;
}
