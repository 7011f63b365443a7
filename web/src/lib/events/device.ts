import type { DeviceInput } from '~/gql/graphql';

/** What someone watches on, in the words of the API. */
export function readDevice(agent: string, touchPoints = 0): DeviceInput {
  const version = (pattern: RegExp) => pattern.exec(agent)?.[1];
  const browsers: [string, RegExp][] = [
    ['Edge', /Edg(?:e|A|iOS)?\/(\d+)/],
    ['Opera', /OPR\/(\d+)/],
    ['Yandex', /YaBrowser\/(\d+)/],
    ['Samsung Internet', /SamsungBrowser\/(\d+)/],
    ['Firefox', /(?:Firefox|FxiOS)\/(\d+)/],
    ['Chromium', /(?:Chrome|Chromium|CriOS)\/(\d+)/],
    ['Safari', /Version\/(\d+).*Safari/],
  ];
  const found = browsers.find(([, pattern]) => pattern.test(agent));
  const pad = /Macintosh/.test(agent) && touchPoints > 1; // An iPad that says it is a Mac.
  const system = /Android/.test(agent)
    ? 'Android'
    : /iPhone|iPad|iPod/.test(agent) || pad
      ? 'iOS'
      : /Windows/.test(agent)
        ? 'Windows'
        : /Mac OS X/.test(agent)
          ? 'macOS'
          : /CrOS/.test(agent)
            ? 'ChromeOS'
            : /Linux/.test(agent)
              ? 'Linux'
              : 'Other';
  const kind = /TV|Tizen|Web0S|AFT[A-Z]/i.test(agent)
    ? 'tv'
    : /iPad|Tablet/.test(agent) || pad || (/Android/.test(agent) && !/Mobile/.test(agent))
      ? 'tablet'
      : /Mobi|iPhone/.test(agent)
        ? 'phone'
        : 'desktop';
  return { kind, system, browser: found ? `${found[0]} ${version(found[1]) ?? ''}`.trim() : 'Other' };
}

export const thisDevice = () => readDevice(navigator.userAgent, navigator.maxTouchPoints);
