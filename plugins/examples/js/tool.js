// images_list: which images run, and how often. An example of a tool in JavaScript.
import { list, table, text, tool } from './porthole.js';

export const { describe, run } = tool({
  name: 'images_list',
  version: '0.1.0',
  title: 'Images in use',
  summary: 'Every container image that pods use, how many containers run it and in which namespaces. Cheaper than listing pods.',
  arguments: { namespace: text('Only this namespace. Left out: all of them.') },
  reads: [['list', '', 'pods']],
  run({ namespace }) {
    const images = new Map();
    for (const pod of list('pods', { namespace, fields: ['metadata.namespace', 'spec.containers[].image'] })) {
      for (const { image } of pod.spec.containers) {
        const seen = images.get(image) ?? { count: 0, namespaces: new Set() };
        seen.count += 1;
        seen.namespaces.add(pod.metadata.namespace);
        images.set(image, seen);
      }
    }
    const rows = [...images].sort(([, a], [, b]) => b.count - a.count);
    return table(['IMAGE', 'CONTAINERS', 'NAMESPACES'], rows.map(([image, { count, namespaces }]) => [image, count, [...namespaces].join(',')]));
  },
});
