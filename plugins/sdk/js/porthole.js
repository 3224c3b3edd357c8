// What Porthole's tools in JavaScript share: the tool itself, its arguments, reading, tables, ages.
//
//     import { tool, text, list, table, defaultNamespace } from './porthole.js';
//
//     export const { describe, run } = tool({
//       name: 'config_keys', version: '0.1.0', title: 'Keys of ConfigMaps',
//       summary: 'The keys of every ConfigMap in a namespace.',
//       arguments: { namespace: text('The namespace; the default one where left out.') },
//       reads: [['list', '', 'configmaps']],
//       run({ namespace = defaultNamespace() }) {
//         const maps = list('configmaps', { namespace, fields: ['metadata.name', 'data'] });
//         return table(['NAME', 'KEYS'], maps.map((m) => [m.metadata.name, Object.keys(m.data ?? {}).join(', ')]));
//       },
//     });
//
// What a tool returns is text for a model; `throw new ToolError('what happened, and what to do now')` is an error for it.
// Everything that a tool can reach is in the two imports below, made from wit/porthole.wit; this file only has shorter words.

import * as kubeRead from 'porthole:tool/kube-read@0.1.0';
import * as call from 'porthole:tool/call@0.1.0';

/** What went wrong and what to try, in words for a model. */
export class ToolError extends Error {}

// --- The tool and its arguments

/** An argument that is a string. Options: default, required, oneOf. */
export const text = (description, { oneOf, ...options } = {}) =>
  argument('string', description, options, oneOf ? { enum: oneOf } : {});

/** An argument that is a whole number. Options: default, required, minimum (0), maximum. */
export const integer = (description, { minimum = 0, maximum, ...options } = {}) =>
  argument('integer', description, options, maximum === undefined ? { minimum } : { minimum, maximum });

/** An argument that is true or false. Options: default, required. */
export const boolean = (description, options = {}) => argument('boolean', description, options, {});

/** An argument that is a list of strings. Options: required. */
export const texts = (description, options = {}) =>
  argument('array', description, options, { items: { type: 'string' } });

function argument(type, description, { default: value, required = false }, more) {
  // Models are shown nothing of a schema but its descriptions.
  const told = value === undefined ? description : `${description} Default: ${JSON.stringify(value)}.`;
  const property = { type, description: told, ...more };
  return { required, property: value === undefined ? property : { ...property, default: value } };
}

/**
 * Makes a tool. `reads` is all it may ask for: [verb, API group, ...resources], for example
 * ['list', 'apps', 'deployments']; '' is the core group. `run` is called with an object of the arguments.
 */
export function tool({ name, version, title, summary, arguments: parameters = {}, reads = [], run }) {
  const entries = Object.entries(parameters);
  const inputSchema = JSON.stringify({
    type: 'object',
    properties: Object.fromEntries(entries.map(([key, { property }]) => [key, property])),
    required: entries.filter(([, { required }]) => required).map(([key]) => key),
  });
  const rules = reads.map(([verb, group, ...resources]) => ({ apiGroups: [group], resources, verbs: [verb] }));
  return {
    describe: () => ({ name, version, title, summary, inputSchema, outputSchema: undefined, reads: rules }),
    run(given) {
      try {
        const answer = run(JSON.parse(given));
        return typeof answer === 'string' ? { content: [{ tag: 'text', val: answer }] } : answer;
      } catch (error) {
        // A string that is thrown is the error of the contract; anything else is a fault of the tool.
        if (error instanceof ToolError) throw error.message;
        if (error?.payload?.message) throw error.payload.message;
        throw error;
      }
    },
  };
}

// --- Reading. An error of the cluster ends the tool with its message, unless it catches it.

/** The namespace to assume where the caller names none. */
export const defaultNamespace = () => call.defaultNamespace();

/** One object, or only these fields of it. */
export function get(kind, name, { namespace, fields } = {}) {
  return JSON.parse(kubeRead.getObject({ kind: { kind }, namespace, name, view: view(fields) }));
}

/** All objects of a kind, page by page; without namespace of all. Name the fields you need: the host sends no others. */
export function list(kind, { namespace, fields, labelSelector, fieldSelector } = {}) {
  const all = [];
  let continueToken;
  do {
    const page = kubeRead.listObjects({
      kind: { kind }, namespace, labelSelector, fieldSelector, limit: 500, continueToken, view: view(fields),
    });
    all.push(...JSON.parse(page.items));
    continueToken = page.continueToken;
  } while (continueToken !== undefined);
  return all;
}

/** The text of a container's log. Options: container, tail, previous, pattern, sinceSeconds. */
export function log(namespace, pod, { container, tail, previous = false, pattern, sinceSeconds } = {}) {
  const query = {
    namespace, pod, container, previous, tailLines: tail, sinceSeconds, timestamps: false, pattern,
    invert: false, contextLines: 0, fold: false,
  };
  return kubeRead.podLog(query).text;
}

const view = (fields) => (fields ? { tag: 'fields', val: fields } : { tag: 'whole' });

// --- Saying it

/** Rows under a header, as many as reach the caller; it says how many were left out. */
export function table(header, rows) {
  if (rows.length === 0) return 'nothing found';
  const cells = [header, ...rows].map((row) => row.map((cell) => String(cell ?? '') || '-'));
  const widths = header.map((_, at) => Math.max(...cells.map((row) => row[at].length)));
  const lines = cells.map((row) => row.map((cell, at) => cell.padEnd(widths[at])).join('  ').trimEnd());
  let budget = call.outputBudget() - 100;
  // Four bytes a character at most.
  const shown = lines.findIndex((line) => (budget -= 4 * line.length + 1) < 0);
  if (shown < 0) return lines.join('\n');
  return [...lines.slice(0, shown), `${shown - 1} of ${rows.length} shown; narrow it down`].join('\n');
}

/** How long ago a time of Kubernetes was: 45s, 12m, 5h, 3d. */
export function age(timestamp) {
  if (!timestamp) return '';
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(timestamp)) / 1000));
  for (const [size, unit] of [[86400, 'd'], [3600, 'h'], [60, 'm']]) {
    if (seconds >= 2 * size) return `${Math.floor(seconds / size)}${unit}`;
  }
  return `${seconds}s`;
}
