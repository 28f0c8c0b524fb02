// Label selectors of a query: `app=web,tier in (a,b),!old`.
// https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors

import { badRequest } from '../status.ts';

/** Whether labels fit a selector. */
export type LabelMatcher = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = /^(?:[a-z0-9]([-a-z0-9.]*[a-z0-9])?\/)?[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/;
/** More requirements, or values of one, are no client's. */
const MAX_TERMS = 1000;

/** Parses a selector. An empty one fits everything. @throws ApiError 400 */
export function parseLabelSelector(text: string): LabelMatcher {
  const requirements = splitTopLevel(text).map(parseRequirement);
  if (requirements.length > MAX_TERMS) throw badRequest('the label selector has too many requirements');
  return (labels) => requirements.every((fits) => fits(labels));
}

/** Parts between commas that stand in no parentheses. */
function splitTopLevel(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === '(') depth++;
    else if (character === ')') depth--;
    else if (character === ',' && depth === 0) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts.map((part) => part.trim()).filter((part) => part !== '');
}

function parseRequirement(text: string): LabelMatcher {
  const set = /^(\S+)\s+(in|notin)\s*\(([^()]*)\)$/.exec(text);
  if (set !== null) {
    const key = checkKey(set[1]!, text);
    const values = set[3]!.split(',').map((value) => value.trim());
    if (values.length > MAX_TERMS) throw badRequest('the label selector has too many values');
    const wanted = new Set(values.map((value) => checkValue(value, text)));
    return set[2] === 'in'
      ? (labels) => Object.hasOwn(labels, key) && wanted.has(labels[key]!)
      : (labels) => !Object.hasOwn(labels, key) || !wanted.has(labels[key]!);
  }
  const compare = /^([^\s=!<>]+)\s*(==|=|!=|<|>)\s*(\S*)$/.exec(text);
  if (compare !== null) {
    const key = checkKey(compare[1]!, text);
    const value = checkValue(compare[3]!, text);
    switch (compare[2]) {
      case '!=':
        return (labels) => !Object.hasOwn(labels, key) || labels[key] !== value;
      case '<':
        return (labels) => Object.hasOwn(labels, key) && Number(labels[key]) < Number(value);
      case '>':
        return (labels) => Object.hasOwn(labels, key) && Number(labels[key]) > Number(value);
      default:
        return (labels) => Object.hasOwn(labels, key) && labels[key] === value;
    }
  }
  const isAbsent = text.startsWith('!');
  const key = checkKey(isAbsent ? text.slice(1).trim() : text, text);
  return isAbsent ? (labels) => !Object.hasOwn(labels, key) : (labels) => Object.hasOwn(labels, key);
}

function checkKey(key: string, requirement: string): string {
  if (key.length <= 317 && KEY.test(key)) return key;
  throw badRequest(
    `unable to parse requirement: ${JSON.stringify(shorten(requirement))}: ${JSON.stringify(shorten(key))} is no label key`,
  );
}

function checkValue(value: string, requirement: string): string {
  if (value === '' || (value.length <= 63 && /^[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?$/.test(value))) return value;
  throw badRequest(
    `unable to parse requirement: ${JSON.stringify(shorten(requirement))}: ${JSON.stringify(shorten(value))} is no label value`,
  );
}

function shorten(text: string): string {
  return text.length <= 100 ? text : `${text.slice(0, 99)}…`;
}
