// The types of preact.js, for the type check alone.
export { Component, Fragment, createContext, h, render } from 'preact';
export type { ComponentChildren, Context, RefObject, VNode } from 'preact';
export {
  useCallback, useContext, useEffect, useId, useLayoutEffect, useMemo, useReducer, useRef, useState,
} from 'preact/hooks';
export declare const html: (strings: TemplateStringsArray, ...values: any[]) => any;
