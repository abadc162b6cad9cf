import { parseHTML } from 'linkedom';

type Child = Node | string | null | undefined;
export type Attributes = Record<string, string | number | boolean | undefined>;

/** Builds elements whose text is always a text node, so that no text can become markup. */
export interface Builder {
  document: Document;
  element(tag: string, attributes?: Attributes, ...children: Child[]): HTMLElement;
}

export function builder(): Builder {
  const { document } = parseHTML('<!doctype html><html><head></head><body></body></html>') as unknown as {
    document: Document;
  };
  return {
    document,
    element(tag, attributes = {}, ...children) {
      const element = document.createElement(tag);
      for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === false) continue;
        element.setAttribute(name, value === true ? '' : String(value));
      }
      for (const child of children) {
        if (child === null || child === undefined) continue;
        element.append(typeof child === 'string' ? document.createTextNode(child) : child);
      }
      return element;
    },
  };
}
