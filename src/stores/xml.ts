/** What stores answer in XML. Texts are untrusted: no DTD, no entities but the five of XML, nothing that is not well-formed. */
import { DOMParser, type Element } from '@xmldom/xmldom';

export interface XmlElement {
  /** Without a namespace. */
  readonly name: string;
  /** The first child of this name. */
  child(name: string): XmlElement | undefined;
  children(name: string): readonly XmlElement[];
  /** The text of the first child of this name. */
  text(name: string): string | undefined;
}

/** The root element; undefined if it is no XML. The caller has capped the length. */
export function readXml(bytes: Uint8Array): XmlElement | undefined {
  const parser = new DOMParser({
    onError(_level, message) {
      throw new Error(message);
    },
  });
  try {
    const { documentElement } = parser.parseFromString(
      Buffer.from(bytes).toString('utf8').trim(),
      'text/xml',
    );
    return documentElement ? elementOf(documentElement) : undefined;
  } catch {
    return undefined;
  }
}

function elementOf(element: Element): XmlElement {
  const children = (name: string) =>
    [...element.childNodes].filter(
      (node): node is Element => node.nodeType === node.ELEMENT_NODE && (node as Element).localName === name,
    );
  return {
    name: element.localName ?? '',
    child(name) {
      const [first] = children(name);
      return first && elementOf(first);
    },
    children: (name) => children(name).map(elementOf),
    text: (name) => children(name)[0]?.textContent ?? undefined,
  };
}
