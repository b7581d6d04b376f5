/** An address by which the browser shows or downloads a blob. */
import { useEffect, useState } from '../vendor/preact.js';

/** @param {Blob} blob @returns {string} empty until the blob has one; it is revoked when the blob changes or is no longer used */
export function useObjectUrl(blob) {
  const [url, setUrl] = useState('');
  useEffect(() => {
    const created = URL.createObjectURL(blob);
    setUrl(created);
    return () => URL.revokeObjectURL(created);
  }, [blob]);
  return url;
}
