import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.X509Certificate;
import java.io.ByteArrayInputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Vector;
import org.bouncycastle.asn1.ocsp.BasicOCSPResponse;
import org.bouncycastle.asn1.ocsp.OCSPResponse;
import org.bouncycastle.asn1.ocsp.SingleResponse;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.tls.AlertDescription;
import org.bouncycastle.tls.Certificate;
import org.bouncycastle.tls.CertificateEntry;
import org.bouncycastle.tls.CertificateRequest;
import org.bouncycastle.tls.CertificateStatus;
import org.bouncycastle.tls.CertificateStatusRequest;
import org.bouncycastle.tls.CertificateStatusRequestItemV2;
import org.bouncycastle.tls.CertificateStatusType;
import org.bouncycastle.tls.DefaultTlsClient;
import org.bouncycastle.tls.OCSPStatusRequest;
import org.bouncycastle.tls.ProtocolVersion;
import org.bouncycastle.tls.SignatureAlgorithm;
import org.bouncycastle.tls.SignatureAndHashAlgorithm;
import org.bouncycastle.tls.TlsAuthentication;
import org.bouncycastle.tls.TlsClientProtocol;
import org.bouncycastle.tls.TlsCredentials;
import org.bouncycastle.tls.TlsExtensionsUtils;
import org.bouncycastle.tls.TlsFatalAlert;
import org.bouncycastle.tls.TlsServerCertificate;
import org.bouncycastle.tls.TlsUtils;
import org.bouncycastle.tls.crypto.TlsCertificate;
import org.bouncycastle.tls.crypto.TlsCryptoParameters;
import org.bouncycastle.tls.crypto.impl.jcajce.JcaDefaultTlsCredentialedSigner;
import org.bouncycastle.tls.crypto.impl.jcajce.JcaTlsCrypto;
import org.bouncycastle.tls.crypto.impl.jcajce.JcaTlsCryptoProvider;

/**
 * A device that speaks through Bouncy Castle's TLS and shows which OCSP response came with which certificate.
 *
 * <p>Arguments: key store (PKCS #12), its password, trust anchors (PEM), a file with the bytes to send, host,
 * port, what it asks for (1: status_request, 2: status_request_v2 with ocsp_multi, 12: both, 0: none), and
 * then VERSION:SUITE (1.2 or 1.3, the suite's number in hexadecimal) as often as it shall connect. For each
 * connection it writes the type of the CertificateStatus (in TLS 1.3: "entries"), then for each certificate
 * that was sent its serial number and after a colon the serial number and the status of each response with
 * it, or "none"; and at the end "acknowledged".
 */
public final class BouncyCastleDevice {
    private BouncyCastleDevice() {}

    public static void main(String[] arguments) throws Exception {
        byte[] message = Files.readAllBytes(Path.of(arguments[3]));
        for (String wanted : Arrays.asList(arguments).subList(7, arguments.length)) {
            StringBuilder output = new StringBuilder(wanted);
            try {
                connect(arguments, wanted.split(":"), message, output);
                output.append(" acknowledged");
            } catch (IOException refused) {
                output.append(" refused: ").append(refused);
            }
            System.out.println(output);
        }
    }

    private static void connect(String[] arguments, String[] wanted, byte[] message, StringBuilder output)
            throws Exception {
        try (Socket socket = new Socket(arguments[4], Integer.parseInt(arguments[5]))) {
            TlsClientProtocol protocol = new TlsClientProtocol(socket.getInputStream(), socket.getOutputStream());
            protocol.connect(new Client(arguments, wanted, output));
            protocol.getOutputStream().write(message);
            // The last byte of a frame of MLLP.
            InputStream in = protocol.getInputStream();
            for (int octet = in.read(); octet != 0x1C; octet = in.read()) {
                if (octet < 0) {
                    throw new IOException("no acknowledgement");
                }
            }
            protocol.close();
        }
    }

    private static final class Client extends DefaultTlsClient {
        private final String asks;
        private final ProtocolVersion version;
        private final int suite;
        private final KeyStore keys;
        private final char[] password;
        private final PKIXParameters anchors;
        private final StringBuilder output;

        Client(String[] arguments, String[] wanted, StringBuilder output) throws Exception {
            super(new JcaTlsCryptoProvider().setProvider(new BouncyCastleProvider()).create(new SecureRandom()));
            asks = arguments[6];
            version = wanted[0].equals("1.3") ? ProtocolVersion.TLSv13 : ProtocolVersion.TLSv12;
            suite = Integer.parseInt(wanted[1], 16);
            password = arguments[1].toCharArray();
            keys = KeyStore.getInstance("PKCS12");
            try (InputStream file = new FileInputStream(arguments[0])) {
                keys.load(file, password);
            }
            KeyStore trusted = KeyStore.getInstance(KeyStore.getDefaultType());
            trusted.load(null, null);
            try (InputStream file = new FileInputStream(arguments[2])) {
                for (var anchor : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                    trusted.setCertificateEntry("anchor-" + trusted.size(), anchor);
                }
            }
            anchors = new PKIXParameters(trusted);
            // The test evaluates the stapled responses.
            anchors.setRevocationEnabled(false);
            this.output = output;
        }

        @Override
        protected ProtocolVersion[] getSupportedVersions() {
            return version.only();
        }

        @Override
        protected int[] getSupportedCipherSuites() {
            return new int[] {suite};
        }

        @Override
        protected CertificateStatusRequest getCertificateStatusRequest() {
            return asks.contains("1") ? new CertificateStatusRequest(CertificateStatusType.ocsp, anything()) : null;
        }

        @Override
        protected Vector<CertificateStatusRequestItemV2> getMultiCertStatusRequest() {
            if (!asks.contains("2")) {
                return null;
            }
            return new Vector<>(List.of(
                    new CertificateStatusRequestItemV2(CertificateStatusType.ocsp_multi, anything())));
        }

        private static OCSPStatusRequest anything() {
            return new OCSPStatusRequest(null, null);
        }

        @Override
        public TlsAuthentication getAuthentication() {
            return new TlsAuthentication() {
                @Override
                public void notifyServerCertificate(TlsServerCertificate server) throws IOException {
                    verify(server.getCertificate());
                    report(server);
                }

                @Override
                public TlsCredentials getClientCredentials(CertificateRequest request) throws IOException {
                    return credentials(request);
                }
            };
        }

        private void verify(Certificate chain) throws IOException {
            try {
                CertificateFactory factory = CertificateFactory.getInstance("X.509");
                List<X509Certificate> certificates = new ArrayList<>();
                for (TlsCertificate certificate : chain.getCertificateList()) {
                    InputStream der = new ByteArrayInputStream(certificate.getEncoded());
                    certificates.add((X509Certificate) factory.generateCertificate(der));
                }
                CertPath path = factory.generateCertPath(certificates);
                CertPathValidator.getInstance("PKIX").validate(path, anchors);
            } catch (Exception wrong) {
                throw new TlsFatalAlert(AlertDescription.bad_certificate, wrong);
            }
        }

        private void report(TlsServerCertificate server) throws IOException {
            CertificateEntry[] entries = server.getCertificate().getCertificateEntryList();
            List<OCSPResponse> responses = new ArrayList<>(Collections.nCopies(entries.length, null));
            CertificateStatus status = server.getCertificateStatus();
            String kind = "nothing";
            if (TlsUtils.isTLSv13(context)) {
                kind = "entries";
                for (int at = 0; at < entries.length; at++) {
                    byte[] extension = entries[at].getExtensions() == null
                            ? null
                            : (byte[]) entries[at].getExtensions().get(TlsExtensionsUtils.EXT_status_request);
                    if (extension != null) {
                        CertificateStatus own =
                                CertificateStatus.parse(context, new ByteArrayInputStream(extension));
                        responses.set(at, own.getOCSPResponse());
                    }
                }
            } else if (status != null && status.getStatusType() == CertificateStatusType.ocsp_multi) {
                kind = "ocsp_multi";
                List<?> list = status.getOCSPResponseList();
                for (int at = 0; at < list.size(); at++) {
                    responses.set(at, (OCSPResponse) list.get(at));
                }
            } else if (status != null) {
                kind = "ocsp";
                responses.set(0, status.getOCSPResponse());
            }
            output.append(' ').append(kind);
            for (int at = 0; at < entries.length; at++) {
                output.append(' ').append(entries[at].getCertificate().getSerialNumber().toString(16)).append(':');
                output.append(responses.get(at) == null ? "none" : described(responses.get(at)));
            }
        }

        private static String described(OCSPResponse response) {
            byte[] octets = response.getResponseBytes().getResponse().getOctets();
            List<String> singles = new ArrayList<>();
            BasicOCSPResponse.getInstance(octets).getTbsResponseData().getResponses().forEach(element -> {
                SingleResponse single = SingleResponse.getInstance(element);
                int tag = single.getCertStatus().getTagNo();
                String word = tag == 0 ? "good" : tag == 1 ? "revoked" : "unknown";
                singles.add(single.getCertID().getSerialNumber().getValue().toString(16) + "=" + word);
            });
            return String.join(",", singles);
        }

        private TlsCredentials credentials(CertificateRequest request) throws IOException {
            try {
                String alias = keys.aliases().nextElement();
                JcaTlsCrypto crypto = (JcaTlsCrypto) getCrypto();
                java.security.cert.Certificate[] chain = keys.getCertificateChain(alias);
                CertificateEntry[] entries = new CertificateEntry[chain.length];
                TlsCertificate[] certificates = new TlsCertificate[chain.length];
                for (int at = 0; at < chain.length; at++) {
                    certificates[at] = crypto.createCertificate(chain[at].getEncoded());
                    entries[at] = new CertificateEntry(certificates[at], null);
                }
                boolean is13 = TlsUtils.isTLSv13(context);
                Certificate own = is13
                        ? new Certificate(request.getCertificateRequestContext(), entries)
                        : new Certificate(certificates);
                SignatureAndHashAlgorithm with =
                        SignatureAndHashAlgorithm.getInstance((short) 4, SignatureAlgorithm.ecdsa);
                return new JcaDefaultTlsCredentialedSigner(new TlsCryptoParameters(context), crypto,
                        (PrivateKey) keys.getKey(alias, password), own, with);
            } catch (Exception wrong) {
                throw new TlsFatalAlert(AlertDescription.internal_error, wrong);
            }
        }
    }
}
